// A periodic POSIX timer whose signal is pending: it is one still, and its overrun is counted. [time signals hard]
#include "outlast_test.h"

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 8};
    int id;
    MUST(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id));
    struct itimerspec often = {{0, 5 * MS}, {0, 5 * MS}};
    MUST(syscall(SYS_timer_settime, id, 0, &often, NULL));
    nap_ms(30);
    ready();
    wait_go();
    siginfo_t info;
    SAME("signal", MUST(sigwaitinfo(&set, &info)), SIGUSR1);
    SAME("value", info.si_value.sival_int, 8);
    int overrun = MUST(syscall(SYS_timer_getoverrun, id));
    HOLDS(overrun >= 1, "%d", overrun);
    // And it goes on.
    for (int i = 0; i < 3; i++) {
        SAME("signal", MUST(sigwaitinfo(&set, &info)), SIGUSR1);
        SAME("code", info.si_code, SI_TIMER);
        SAME("value", info.si_value.sival_int, 8);
    }
    pass();
}
