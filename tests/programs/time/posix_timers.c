// POSIX timers: numbers with gaps, clocks, kinds of notification, values, what remains. [time signals threads]
#include "outlast_test.h"

static int create(clockid_t clock, int notify, int number, int value, pid_t tid) {
    struct sigevent event = {.sigev_notify = notify, .sigev_signo = number, .sigev_value.sival_int = value};
    event._sigev_un._tid = tid;
    int id;
    MUST(syscall(SYS_timer_create, clock, &event, &id));
    return id;
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < 8; i++) sigaddset(&set, SIGRTMIN + i);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    enum { COUNT = 7 };
    int ids[COUNT], spare[3];
    clockid_t clocks[COUNT] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_PROCESS_CPUTIME_ID,
                               CLOCK_THREAD_CPUTIME_ID, CLOCK_TAI, CLOCK_MONOTONIC};
    int kinds[COUNT] = {SIGEV_SIGNAL, SIGEV_SIGNAL, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID, SIGEV_SIGNAL,
                        SIGEV_THREAD_ID};
    struct itimerspec before[COUNT], after;
    for (int i = 0; i < COUNT; i++) {
        // A gap after each second.
        if (i % 2 == 1 && i < 6) spare[i / 2] = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
        ids[i] = create(clocks[i], kinds[i], SIGRTMIN + i, 1000 + i, gettid());
        struct itimerspec far = {{i + 1, 500}, {100000 + i, 0}};
        // The last one isn't armed.
        if (i < COUNT - 1) MUST(syscall(SYS_timer_settime, ids[i], 0, &far, NULL));
    }
    for (int i = 0; i < 3; i++) MUST(syscall(SYS_timer_delete, spare[i]));
    nap_ms(20);
    for (int i = 0; i < COUNT; i++) MUST(syscall(SYS_timer_gettime, ids[i], &before[i]));
    ready();
    wait_go();
    for (int i = 0; i < COUNT; i++) {
        MUST(syscall(SYS_timer_gettime, ids[i], &after));
        SAME("interval", after.it_interval.tv_sec, before[i].it_interval.tv_sec);
        SAME("interval", after.it_interval.tv_nsec, before[i].it_interval.tv_nsec);
        long long was = before[i].it_value.tv_sec * SEC + before[i].it_value.tv_nsec;
        long long is = after.it_value.tv_sec * SEC + after.it_value.tv_nsec;
        HOLDS(is <= was && is >= was - 3600 * SEC, "timer %d: %lld ns remain, %lld before", i, is, was);
    }
    for (int i = 0; i < 3; i++) FAILS(syscall(SYS_timer_gettime, spare[i], &after), EINVAL);
    // Each fires now, with its own signal and value.
    for (int i = 0; i < COUNT; i++) {
        struct itimerspec near = {{0, 0}, {0, 1}};
        struct timespec none = {0, 0};
        siginfo_t info;
        MUST(syscall(SYS_timer_settime, ids[i], 0, &near, NULL));
        if (kinds[i] == SIGEV_NONE) continue;
        // Those of the processor's time need some: and that may take a while.
        sigset_t pending;
        do {
            for (volatile long spin = 0; spin < 100000; spin++) {}
            MUST(sigpending(&pending));
        } while (!sigismember(&pending, SIGRTMIN + i));
        SAME("signal", MUST(sigtimedwait(&set, &info, &none)), SIGRTMIN + i);
        SAME("value", info.si_value.sival_int, 1000 + i);
        SAME("code", info.si_code, SI_TIMER);
        SAME("timer", info.si_timerid, ids[i]);
    }
    pass();
}
