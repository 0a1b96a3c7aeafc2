// No clock of the system goes backwards, seen by system calls; the process's own time neither. [time]
#include "outlast_test.h"

int main(void) {
    clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW};
    long long last[4], first[4];
    for (int i = 0; i < 4; i++) first[i] = last[i] = 0;
    bool said = false;
    for (long round = 0;; round++) {
        for (int i = 0; i < 4; i++) {
            struct timespec time;
            MUST(syscall(SYS_clock_gettime, clocks[i], &time));
            long long now = time.tv_sec * SEC + time.tv_nsec, by_vdso = now_ns(clocks[i]);
            HOLDS(now >= last[i], "clock %d: %lld after %lld", clocks[i], now, last[i]);
            HOLDS(by_vdso >= now, "clock %d: %lld by vdso, after %lld", clocks[i], by_vdso, now);
            if (!first[i]) first[i] = now;
            last[i] = by_vdso;
        }
        if (round == 20) ready(), said = true;
        if (said && may_go()) break;
        nap_ms(1);
    }
    // They advance together.
    long long monotonic = last[0] - first[0], boot = last[1] - first[1];
    HOLDS(boot >= monotonic - 20 * MS, "%lld and %lld", monotonic, boot);
    pass();
}
