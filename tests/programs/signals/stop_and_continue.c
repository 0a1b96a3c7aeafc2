// Handlers of SIGCONT and SIGTSTP, blocked ones pending; a stop signal that is blocked doesn't stop. [signals]
#include "outlast_test.h"

static volatile sig_atomic_t continued, stopped;

static void on_signal(int number) { *(number == SIGCONT ? &continued : &stopped) += 1; }

int main(void) {
    signal(SIGCONT, on_signal);
    signal(SIGTSTP, on_signal);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTTIN);
    sigaddset(&set, SIGTSTP);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    MUST(kill(getpid(), SIGTSTP));
    MUST(kill(getpid(), SIGTTIN));
    ready();
    wait_go();
    sigset_t pending;
    MUST(sigpending(&pending));
    SAME("SIGTSTP pending", sigismember(&pending, SIGTSTP), 1);
    SAME("SIGTTIN pending", sigismember(&pending, SIGTTIN), 1);
    SAME("continued", continued, 0);
    // Which throws away the stop signals that are pending.
    MUST(kill(getpid(), SIGCONT));
    SAME("continued", continued, 1);
    MUST(sigpending(&pending));
    SAME("pending after", sigismember(&pending, SIGTSTP) | sigismember(&pending, SIGTTIN), 0);
    SAME("stopped", stopped, 0);
    pass();
}
