// Threads wait for a futex with a relative and an absolute timeout; and for several at once. [threads]
#include "outlast_test.h"
#include <linux/futex.h>

static atomic_int word = 5;

static void relative(void) {
    struct timespec time = {100000, 0};
    SAME("futex", syscall(SYS_futex, &word, FUTEX_WAIT, 5, &time, NULL, 0), 0);
}

static void absolute(void) {
    struct timespec time = {0};
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += 100000;
    SAME("futex", syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &time, NULL, 2), 0);
}

static void several(void) {
    struct waiter { // futex_waitv, which old headers don't have
        uint64_t value, address;
        uint32_t flags, reserved;
    } waiters[2] = {{5, (uintptr_t)&word, 2, 0}, {5, (uintptr_t)&word, 2, 0}};
    struct timespec time = {now_ns(CLOCK_MONOTONIC) / SEC + 100000, 0};
    MUST(syscall(449, waiters, 2, 0, &time, CLOCK_MONOTONIC));
}

int main(void) {
    struct blocked *all[] = {block_in(SYS_futex, relative), block_in(SYS_futex, absolute), block_in(449, several)};
    ready();
    wait_go();
    for (int i = 0; i < 3; i++) still_blocked(all[i]);
    word = 6;
    MUST(syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
    for (int i = 0; i < 3; i++) unblocked(all[i]);
    pass();
}
