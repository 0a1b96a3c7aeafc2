// Threads in sigtimedwait, sigwaitinfo, sigsuspend and pause. [threads signals]
#include "outlast_test.h"

static atomic_int handled;

static void on_signal(int number) {
    (void)number;
    handled++;
}

static void one_signal(sigset_t *set, int number) {
    sigemptyset(set);
    sigaddset(set, number);
}

static void timed(void) {
    sigset_t set;
    one_signal(&set, SIGRTMIN + 1);
    struct timespec time = {100000, 0};
    SAME("sigtimedwait", MUST(sigtimedwait(&set, NULL, &time)), SIGRTMIN + 1);
}

static void forever(void) {
    sigset_t set;
    siginfo_t info;
    one_signal(&set, SIGRTMIN + 2);
    SAME("sigwaitinfo", MUST(sigwaitinfo(&set, &info)), SIGRTMIN + 2);
    SAME("value", info.si_value.sival_int, 12);
}

static void suspended(void) {
    sigset_t all_but, now;
    sigfillset(&all_but);
    sigdelset(&all_but, SIGUSR1);
    FAILS(sigsuspend(&all_but), EINTR);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    HOLDS(sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2), "the mask of the call");
}

static void paused(void) {
    sigset_t two;
    one_signal(&two, SIGUSR2);
    FAILS(pause(), EINTR);
}

int main(void) {
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    sigset_t blocked;
    one_signal(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGRTMIN + 1);
    sigaddset(&blocked, SIGRTMIN + 2);
    MUST0(pthread_sigmask(SIG_SETMASK, &blocked, NULL));
    struct blocked *all[] = {block_in(SYS_rt_sigtimedwait, timed), block_in(SYS_rt_sigtimedwait, forever),
                             block_in(SYS_rt_sigsuspend, suspended), block_in(SYS_pause, paused)};
    ready();
    wait_go();
    for (int i = 0; i < 4; i++) still_blocked(all[i]);
    SAME("handled so far", handled, 0);
    union sigval value = {.sival_int = 12};
    MUST0(pthread_kill(all[0]->thread, SIGRTMIN + 1));
    MUST0(pthread_sigqueue(all[1]->thread, SIGRTMIN + 2, value));
    MUST0(pthread_kill(all[2]->thread, SIGUSR1));
    MUST0(pthread_kill(all[3]->thread, SIGUSR2));
    for (int i = 0; i < 4; i++) unblocked(all[i]);
    SAME("handled", handled, 2);
    pass();
}
