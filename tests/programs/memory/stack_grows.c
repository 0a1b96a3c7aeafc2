// The stack grows after as it would have, far beyond what was touched, and its limit holds.
#include "outlast_test.h"
#include <setjmp.h>
#include <sys/resource.h>

static sigjmp_buf back;
static char alternate[65536];

static void on_segv(int number) { siglongjmp(back, number); }

__attribute__((noinline)) static int deeper(int depth) {
    volatile char local[4000];
    for (size_t i = 0; i < sizeof local; i += 500) local[i] = depth;
    int below = depth ? deeper(depth - 1) : 0;
    for (size_t i = 0; i < sizeof local; i += 500) SAME("on the stack", local[i], (char)depth);
    return below + 1;
}

__attribute__((noinline)) static int without_end(int depth) {
    volatile char local[4000];
    local[0] = depth;
    return depth < 0 ? 0 : without_end(depth + 1) + local[0];
}

int main(void) {
    struct rlimit limit = {4 << 20, RLIM_INFINITY};
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 4 << 20;
    MUST(setrlimit(RLIMIT_STACK, &limit));
    SAME("depth", deeper(20), 21);
    ready();
    wait_go();
    SAME("depth after", deeper(700), 701);
    stack_t other = {.ss_sp = alternate, .ss_size = sizeof alternate};
    MUST(sigaltstack(&other, NULL));
    struct sigaction action = {.sa_handler = on_segv, .sa_flags = SA_ONSTACK};
    MUST(sigaction(SIGSEGV, &action, NULL));
    if (sigsetjmp(back, 1) == 0) {
        without_end(0);
        fail("expected the stack to end, found none of it");
    }
    pass();
}
