// A 64-bit process blocked in calls made by the 32-bit entry, which have other numbers. [threads hard refused:32-bit]
#include "outlast_test.h"

static uint32_t *low;
static int ends[2];

static long call32(long number, long a, long b, long c) {
    long result;
    asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static void reading(void) {
    SAME("read", call32(3, ends[0], (uintptr_t)low, 4), 4);
    SAME("content", low[0], 0x64636261);
}

static void sleeping(void) {
    low[8] = 100000;
    SAME("nanosleep", call32(162, (uintptr_t)(low + 8), (uintptr_t)(low + 16), 0), -EINTR);
    HOLDS(low[16] > 90000 && low[16] <= 100000, "%u s remained", low[16]);
}

static void on_usr1(int number) { (void)number; }

int main(void) {
    low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED) skip("no memory below 2 GiB");
    HOLDS(low[0] == 0, "%u", low[0]);
    if (call32(20, 0, 0, 0) != getpid()) skip("no 32-bit calls");
    signal(SIGUSR1, on_usr1);
    MUST(pipe(ends));
    struct blocked *a = block_in(3, reading), *b = block_in(162, sleeping);
    ready();
    wait_go();
    still_blocked(a);
    still_blocked(b);
    MUST(write(ends[1], "abcd", 4));
    unblocked(a);
    MUST0(pthread_kill(b->thread, SIGUSR1));
    unblocked(b);
    pass();
}
