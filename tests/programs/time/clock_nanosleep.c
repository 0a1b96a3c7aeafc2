// Short sleeps by three clocks, begun before and ended at any time: never early. [time threads]
#include "outlast_test.h"

static atomic_int woken;

static void *sleep_by(void *argument) {
    clockid_t clock = (clockid_t)(long)argument;
    struct timespec time;
    MUST(clock_gettime(clock, &time));
    time.tv_nsec += 400 * MS;
    if (time.tv_nsec >= SEC) time.tv_sec++, time.tv_nsec -= SEC;
    SAME("clock_nanosleep", clock_nanosleep(clock, TIMER_ABSTIME, &time, NULL), 0);
    HOLDS(now_ns(clock) >= time.tv_sec * SEC + time.tv_nsec, "clock %d: woken early", (int)clock);
    long long start = now_ns(clock);
    struct timespec relative = {0, 300 * MS};
    SAME("clock_nanosleep", clock_nanosleep(clock, 0, &relative, NULL), 0);
    HOLDS(now_ns(clock) >= start + 300 * MS, "clock %d: woken early", (int)clock);
    woken++;
    return NULL;
}

int main(void) {
    clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) threads[i] = thread(sleep_by, (void *)(long)clocks[i]);
    nap_ms(50);
    ready();
    for (int i = 0; i < 3; i++) MUST0(pthread_join(threads[i], NULL));
    SAME("woken", woken, 3);
    wait_go();
    pass();
}
