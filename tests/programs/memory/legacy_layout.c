// The old layout of the address space, from below: an unlimited stack and the personality for it, taken over by execve.
#include "outlast_test.h"
#include <sys/personality.h>
#include <sys/resource.h>

int main(int argc, char **argv) {
    (void)argc;
    if (strcmp(argv[0], "again")) {
        struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
        if (setrlimit(RLIMIT_STACK, &none) < 0) skip("the stack is limited");
        MUST(personality(ADDR_COMPAT_LAYOUT));
        char *words[] = {"again", NULL};
        MUST(execv("/proc/self/exe", words));
    }
    char *at = MUST(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, 1 << 20, 1);
    ready();
    wait_go();
    CHECK_FILL("content", at, 1 << 20, 1);
    char *more = MUST(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(more, 1 << 20, 2);
    CHECK_FILL("content", at, 1 << 20, 1);
    struct rlimit found;
    MUST(getrlimit(RLIMIT_STACK, &found));
    HOLDS(found.rlim_cur == RLIM_INFINITY, "%ld", (long)found.rlim_cur);
    pass();
}
