// No more address space is allowed: whoever wants to map something here can't. [memory hard]
#include "outlast_test.h"
#include <sys/resource.h>

int main(void) {
    char *at = MUST(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, 1 << 20, 1);
    create_("warm");
    // As much as there is now, in pages: the first number of statm.
    char text[64];
    read_file("/proc/self/statm", text, sizeof text);
    struct rlimit limit = {(atol(text) + 1) * 4096l, RLIM_INFINITY}, found;
    MUST(setrlimit(RLIMIT_AS, &limit));
    while (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {}
    ready();
    wait_go();
    FAILS(mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    MUST(getrlimit(RLIMIT_AS, &found));
    SAME("limit", found.rlim_cur, limit.rlim_cur);
    CHECK_FILL("content", at, 1 << 20, 1);
    pass();
}
