// A sleep goes on with the time that remained: not shorter, and not from the start. [threads slow]
#include "outlast_test.h"

// Of the sleep, and of how much of it passes before ready().
#define SLEEP_MS 1500
#define BEFORE_MS 900
#define TOLERANCE_MS 450

static pid_t sleeper;
static atomic_bool woken;
static long long slept;

static void *sleep_once(void *argument) {
    (void)argument;
    long long start = now_ns(CLOCK_MONOTONIC);
    struct timespec time = {SLEEP_MS / 1000, SLEEP_MS % 1000 * MS};
    sleeper = gettid();
    int result = syscall(SYS_nanosleep, &time, NULL);
    SAME("nanosleep", result, 0);
    slept = now_ns(CLOCK_MONOTONIC) - start;
    woken = true;
    return NULL;
}

int main(void) {
    pthread_t made = thread(sleep_once, NULL);
    UNTIL(sleeper);
    until_in_call(sleeper, SYS_nanosleep);
    // Time that ran: steps that took much longer than they should were time being stopped.
    long long ran = 0, last = now_ns(CLOCK_MONOTONIC);
    bool said = false;
    while (!woken) {
        nap_ms(1);
        long long now = now_ns(CLOCK_MONOTONIC);
        ran += now - last > 5 * MS ? 5 * MS : now - last;
        last = now;
        if (!said && ran > BEFORE_MS * MS) ready(), said = true;
    }
    MUST0(pthread_join(made, NULL));
    HOLDS(slept >= SLEEP_MS * MS, "%lld ms slept", slept / MS);
    HOLDS(ran <= (SLEEP_MS + TOLERANCE_MS) * MS, "%lld ms of running while a sleep of %d lasted", ran / MS, SLEEP_MS);
    if (!said) ready();
    wait_go();
    pass();
}
