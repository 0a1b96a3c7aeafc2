// That a child is stopped is still to be reported, with the signal that did it. [tree]
#include "outlast_test.h"

int main(void) {
    pid_t kid = child();
    if (!kid) {
        raise(SIGTSTP);
        // Ignored in a group that is orphaned, so this one has to do.
        raise(SIGSTOP);
        done();
    }
    until_state(kid, 'T');
    siginfo_t before = {0}, after = {0};
    MUST(waitid(P_PID, kid, &before, WSTOPPED | WNOWAIT));
    ready();
    wait_go();
    nap_ms(10);
    MUST(waitid(P_PID, kid, &after, WSTOPPED | WNOHANG));
    SAME("pid", after.si_pid, kid);
    SAME("code", after.si_code, CLD_STOPPED);
    SAME("signal", after.si_status, before.si_status);
    MUST(kill(kid, SIGCONT));
    ended_well(kid);
    pass();
}
