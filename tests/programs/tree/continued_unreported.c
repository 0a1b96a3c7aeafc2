// That a child was continued is still to be reported. [tree]
#include "outlast_test.h"

int main(void) {
    pid_t kid = child();
    if (!kid) {
        raise(SIGSTOP);
        create_("on");
        wait_go();
        done();
    }
    int status;
    SAME("stopped", waitpid(kid, &status, WUNTRACED), kid);
    MUST(kill(kid, SIGCONT));
    UNTIL(exists("on"));
    ready();
    wait_go();
    siginfo_t info = {0};
    // It may have ended meanwhile; then the end is what is reported.
    MUST(waitid(P_PID, kid, &info, WCONTINUED | WEXITED | WNOHANG | WNOWAIT));
    HOLDS(info.si_pid == 0 || info.si_code == CLD_CONTINUED || info.si_code == CLD_EXITED, "code %d", info.si_code);
    ended_well(kid);
    pass();
}
