// Interval timers in the process's own time: what remains doesn't grow, and they fire after. [time signals]
#include "outlast_test.h"
#include <sys/time.h>

static atomic_int virtual, profiled;

static void on_timer(int number) { *(number == SIGVTALRM ? &virtual : &profiled) += 1; }

int main(void) {
    signal(SIGVTALRM, on_timer);
    signal(SIGPROF, on_timer);
    struct itimerval far = {{3, 500000}, {100000, 0}}, before, after;
    MUST(setitimer(ITIMER_VIRTUAL, &far, NULL));
    struct itimerval near = {{0, 10000}, {0, 10000}};
    MUST(setitimer(ITIMER_PROF, &near, NULL));
    for (long polls = 0; profiled < 2; polls++) {}
    MUST(getitimer(ITIMER_VIRTUAL, &before));
    ready();
    wait_go();
    MUST(getitimer(ITIMER_VIRTUAL, &after));
    SAME("interval", after.it_interval.tv_sec * 1000000 + after.it_interval.tv_usec, 3500000);
    HOLDS(after.it_value.tv_sec <= before.it_value.tv_sec && after.it_value.tv_sec > 99000, "%ld s",
          (long)after.it_value.tv_sec);
    MUST(getitimer(ITIMER_PROF, &after));
    SAME("interval", after.it_interval.tv_usec, 10000);
    int now = profiled;
    while (profiled < now + 2) {}
    SAME("virtual", virtual, 0);
    pass();
}
