// Threads that read clocks by the vdso all the time: no time goes backwards, whatever is done to them. [threads time]
#include "outlast_test.h"
#include <sys/time.h>

static atomic_bool stop;
static atomic_long rounds;

static void *monotonic(void *argument) {
    clockid_t clock = (clockid_t)(long)argument;
    long long last = now_ns(clock);
    for (; !stop; rounds++) {
        long long now = now_ns(clock);
        HOLDS(now >= last, "clock %d: %lld ns after %lld", (int)clock, now, last);
        last = now;
    }
    return NULL;
}

static void *others(void *argument) {
    for (; !stop; rounds++) {
        struct timeval time;
        MUST(gettimeofday(&time, NULL));
        HOLDS(time.tv_sec > 1600000000, "%ld s", (long)time.tv_sec);
        HOLDS(sched_getcpu() >= 0, "no processor");
        HOLDS(time.tv_sec - now_ns(CLOCK_REALTIME_COARSE) / SEC < 100, "another time");
    }
    return argument;
}

int main(void) {
    pthread_t threads[4];
    clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME};
    for (int i = 0; i < 3; i++) threads[i] = thread(monotonic, (void *)(long)clocks[i]);
    threads[3] = thread(others, NULL);
    UNTIL(rounds > 1000);
    ready();
    wait_go();
    long before = rounds;
    UNTIL(rounds > before + 1000);
    stop = true;
    for (int i = 0; i < 4; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
