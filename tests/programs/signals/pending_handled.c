// A blocked SIGTERM that is pending comes to its handler once it is unblocked, with its sender. [signals]
#include "outlast_test.h"

static volatile sig_atomic_t count, sender;

static void on_term(int number, siginfo_t *info, void *context) {
    (void)context;
    (void)number;
    count++;
    sender = info->si_pid;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_term, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGTERM, &action, NULL));
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    MUST(sigprocmask(SIG_BLOCK, &term, NULL));
    pid_t kid = child();
    if (!kid) {
        MUST(kill(getppid(), SIGTERM));
        done();
    }
    ended_well(kid);
    ready();
    wait_go();
    SAME("so far", count, 0);
    MUST(sigprocmask(SIG_UNBLOCK, &term, NULL));
    SAME("after", count, 1);
    SAME("sender", sender, kid);
    pass();
}
