// No clock of the system goes backwards, seen by system calls; the process's own time neither. [time]
#include "outlast_test.h"

int main(void) {
    clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW};
    long long last[4] = {0}, first_boot = now_ns(CLOCK_BOOTTIME), first = now_ns(CLOCK_MONOTONIC);
    bool said = false;
    for (long round = 0;; round++) {
        for (int i = 0; i < 4; i++) {
            struct timespec time;
            MUST(syscall(SYS_clock_gettime, clocks[i], &time));
            long long now = time.tv_sec * SEC + time.tv_nsec, by_vdso = now_ns(clocks[i]);
            HOLDS(now >= last[i], "clock %d: %lld after %lld", clocks[i], now, last[i]);
            HOLDS(by_vdso >= now, "clock %d: %lld by vdso, after %lld", clocks[i], by_vdso, now);
            last[i] = by_vdso;
        }
        if (round == 20) ready(), said = true;
        if (said && may_go()) break;
        nap_ms(1);
    }
    // They advance together: the span of the one is within that of the other, however long each step took.
    long long monotonic = now_ns(CLOCK_MONOTONIC) - first, boot = now_ns(CLOCK_BOOTTIME) - first_boot;
    HOLDS(boot >= monotonic - 20 * MS, "%lld and %lld", monotonic, boot);
    pass();
}
