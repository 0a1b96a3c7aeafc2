// Signals pending for one thread only stay that thread's. [signals threads]
#include "outlast_test.h"

static atomic_int queued;

static void *other(void *argument) {
    long index = (long)argument;
    for (int i = 0; i < 5; i++) {
        union sigval value = {.sival_int = index * 100 + i};
        MUST0(pthread_sigqueue(pthread_self(), SIGRTMIN + 5, value));
    }
    signal_self(SIGHUP);
    queued++;
    wait_go();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 5);
    struct timespec none = {0, 0};
    siginfo_t info;
    for (int i = 0; i < 5; i++) {
        SAME("signal", MUST(sigtimedwait(&set, &info, &none)), SIGRTMIN + 5);
        SAME("value", info.si_value.sival_int, index * 100 + i);
    }
    FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
    sigaddset(&set, SIGHUP);
    // By itself: the C library makes SI_USER of SI_TKILL.
    SAME("signal", MUST(syscall(SYS_rt_sigtimedwait, &set, &info, &none, 8)), SIGHUP);
    SAME("code", info.si_code, SI_TKILL);
    return argument;
}

int main(void) {
    sigset_t all;
    sigfillset(&all);
    MUST(sigprocmask(SIG_BLOCK, &all, NULL));
    pthread_t threads[3];
    for (long i = 0; i < 3; i++) threads[i] = thread(other, (void *)i);
    signal_self(SIGINT);
    UNTIL(queued == 3);
    ready();
    wait_go();
    sigset_t pending;
    MUST(sigpending(&pending));
    SAME("own", sigismember(&pending, SIGINT), 1);
    SAME("of others", sigismember(&pending, SIGHUP), 0);
    for (int i = 0; i < 3; i++) MUST0(pthread_join(threads[i], NULL));
    struct timespec none = {0, 0};
    SAME("signal", MUST(sigtimedwait(&all, NULL, &none)), SIGINT);
    FAILS(sigtimedwait(&all, NULL, &none), EAGAIN);
    pass();
}
