// An interval timer in real time: what remains, and its interval; a near one fires again and again. [time signals]
#include "outlast_test.h"
#include <sys/time.h>

static atomic_int fired;

static void on_alarm(int number) {
    (void)number;
    fired++;
}

int main(void) {
    signal(SIGALRM, on_alarm);
    struct itimerval far = {{7, 250000}, {100000, 0}}, before, after;
    MUST(setitimer(ITIMER_REAL, &far, NULL));
    nap_ms(30);
    // Its own child has none, and a short one.
    pid_t kid = child();
    if (!kid) {
        struct itimerval found, near = {{0, 20000}, {0, 20000}};
        MUST(getitimer(ITIMER_REAL, &found));
        SAME("inherited", found.it_value.tv_sec, 0);
        MUST(setitimer(ITIMER_REAL, &near, NULL));
        UNTIL(fired > 2);
        create_("fired");
        wait_go();
        int now = fired;
        UNTIL(fired > now + 3);
        done();
    }
    UNTIL(exists("fired"));
    MUST(getitimer(ITIMER_REAL, &before));
    ready();
    wait_go();
    MUST(getitimer(ITIMER_REAL, &after));
    SAME("interval", after.it_interval.tv_sec, 7);
    SAME("interval", after.it_interval.tv_usec, 250000);
    long long was = before.it_value.tv_sec * 1000000ll + before.it_value.tv_usec;
    long long is = after.it_value.tv_sec * 1000000ll + after.it_value.tv_usec;
    HOLDS(is <= was && is > was - 3600 * 1000000ll, "%lld µs, %lld µs before", is, was);
    ended_well(kid);
    SAME("fired", fired, 0);
    pass();
}
