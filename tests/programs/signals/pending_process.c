// Signals pending for the process: queued ones in their order with their values, and which are there once. [signals]
#include "outlast_test.h"

int main(void) {
    sigset_t all;
    sigfillset(&all);
    MUST(sigprocmask(SIG_BLOCK, &all, NULL));
    int number = SIGRTMIN + 3;
    for (int i = 0; i < 20; i++) {
        union sigval value = {.sival_ptr = (void *)(0x1234567800000000ul + i)};
        MUST(sigqueue(getpid(), i % 2 ? number : number + 1, value));
    }
    MUST(kill(getpid(), SIGTERM));
    MUST(kill(getpid(), SIGTERM));
    MUST(kill(getpid(), SIGUSR1));
    // With more in its siginfo than a sender may normally say.
    siginfo_t odd = {.si_signo = SIGUSR2, .si_code = SI_MESGQ, .si_pid = getpid(), .si_uid = 7};
    odd.si_value.sival_int = 42;
    MUST(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR2, &odd));
    ready();
    wait_go();
    sigset_t pending, now;
    MUST(sigpending(&pending));
    for (int n = 1; n < 32; n++)
        SAME("pending", sigismember(&pending, n), n == SIGTERM || n == SIGUSR1 || n == SIGUSR2);
    MUST(sigprocmask(SIG_BLOCK, NULL, &now));
    SAME("mask", memcmp(&now, &all, 8) == 0 || sigismember(&now, SIGTERM), 1);
    struct timespec none = {0, 0};
    siginfo_t info;
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < 10; i++) {
            sigset_t one;
            sigemptyset(&one);
            sigaddset(&one, kind ? number : number + 1);
            SAME("signal", MUST(sigtimedwait(&one, &info, &none)), kind ? number : number + 1);
            SAME("value", (uintptr_t)info.si_value.sival_ptr, 0x1234567800000000ul + i * 2 + kind);
            SAME("code", info.si_code, SI_QUEUE);
            SAME("sender", info.si_pid, getpid());
        }
    SAME("SIGUSR1", MUST(sigtimedwait(&all, &info, &none)), SIGUSR1);
    SAME("code", info.si_code, SI_USER);
    SAME("sender", info.si_pid, getpid());
    SAME("SIGUSR2", MUST(sigtimedwait(&all, &info, &none)), SIGUSR2);
    SAME("code", info.si_code, SI_MESGQ);
    SAME("value", info.si_value.sival_int, 42);
    SAME("user", info.si_uid, 7);
    SAME("SIGTERM", MUST(sigtimedwait(&all, &info, &none)), SIGTERM);
    FAILS(sigtimedwait(&all, &info, &none), EAGAIN);
    pass();
}
