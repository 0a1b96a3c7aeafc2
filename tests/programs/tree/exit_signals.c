// SIGCHLD goes to the parent, with the child's number, once for each end. [tree signals]
#include "outlast_test.h"

int main(void) {
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    MUST(sigprocmask(SIG_BLOCK, &chld, NULL));
    pid_t middle = child();
    if (!middle) {
        MUST(sigprocmask(SIG_BLOCK, &chld, NULL));
        pid_t last = child();
        if (!last) {
            wait_go();
            _exit(9);
        }
        create_("made");
        wait_go();
        siginfo_t info;
        SAME("signal", MUST(sigwaitinfo(&chld, &info)), SIGCHLD);
        SAME("pid", info.si_pid, last);
        SAME("status", info.si_status, 9);
        SAME("code", info.si_code, CLD_EXITED);
        int status;
        SAME("child", waitpid(last, &status, 0), last);
        done();
    }
    UNTIL(exists("made"));
    ready();
    wait_go();
    siginfo_t info;
    SAME("signal", MUST(sigwaitinfo(&chld, &info)), SIGCHLD);
    SAME("pid", info.si_pid, middle);
    SAME("status", info.si_status, 0);
    ended_well(middle);
    pass();
}
