// Timers as descriptors: relative, absolute, periodic with ticks that nobody read, disarmed, shared with a child. [time files tree]
#include "outlast_test.h"
#include <sys/timerfd.h>

int main(void) {
    int relative = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)),
        absolute = MUST(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC)),
        periodic = MUST(timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK)),
        expired = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)),
        disarmed = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    struct itimerspec far = {{9, 1}, {100000, 0}}, often = {{0, 10 * MS}, {0, 10 * MS}}, once = {{0, 0}, {0, 1}};
    struct itimerspec until = {{0, 0}, {now_ns(CLOCK_REALTIME) / SEC + 100000, 5}};
    MUST(timerfd_settime(relative, 0, &far, NULL));
    MUST(timerfd_settime(absolute, TFD_TIMER_ABSTIME, &until, NULL));
    MUST(timerfd_settime(periodic, 0, &often, NULL));
    MUST(timerfd_settime(expired, 0, &once, NULL));
    nap_ms(55);
    struct itimerspec before, after;
    MUST(timerfd_gettime(relative, &before));
    pid_t kid = child();
    if (!kid) {
        wait_go();
        struct itimerspec nothing = {{0, 0}, {0, 1}};
        MUST(timerfd_settime(disarmed, 0, &nothing, NULL));
        done();
    }
    ready();
    wait_go();
    uint64_t ticks;
    MUST(timerfd_gettime(relative, &after));
    SAME("interval", after.it_interval.tv_sec * SEC + after.it_interval.tv_nsec, 9 * SEC + 1);
    HOLDS(after.it_value.tv_sec <= before.it_value.tv_sec && after.it_value.tv_sec > 90000, "%ld s remain",
          (long)after.it_value.tv_sec);
    FAILS(read(relative, &ticks, 8), EAGAIN);
    MUST(timerfd_gettime(absolute, &after));
    long long end = now_ns(CLOCK_REALTIME) + after.it_value.tv_sec * SEC + after.it_value.tv_nsec;
    long long wanted = until.it_value.tv_sec * SEC + until.it_value.tv_nsec;
    HOLDS(llabs(end - wanted) < 60 * SEC, "an end %lld ns away from the one that was set", end - wanted);
    SAME("close on exec", fcntl(absolute, F_GETFD), FD_CLOEXEC);
    SAME("read", MUST(read(periodic, &ticks, 8)), 8);
    HOLDS(ticks >= 4, "%llu ticks", (unsigned long long)ticks);
    UNTIL(read(periodic, &ticks, 8) == 8);
    SAME("read", MUST(read(expired, &ticks, 8)), 8);
    SAME("ticks", ticks, 1);
    FAILS(read(expired, &ticks, 8), EAGAIN);
    ended_well(kid);
    UNTIL(read(disarmed, &ticks, 8) == 8);
    pass();
}
