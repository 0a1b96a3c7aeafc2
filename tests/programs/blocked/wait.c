// A child waits in wait4 for its child, another in waitid. [tree]
#include "outlast_test.h"

static pid_t sleeper(void) {
    pid_t made = child();
    if (!made) {
        wait_go();
        nap_ms(10);
        _exit(13);
    }
    return made;
}

int main(void) {
    pid_t in_wait4 = child();
    if (!in_wait4) {
        pid_t kid = sleeper();
        int status;
        SAME("wait4", wait4(-1, &status, 0, NULL), kid);
        HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 13, "%#x", status);
        done();
    }
    pid_t in_waitid = child();
    if (!in_waitid) {
        pid_t kid = sleeper();
        siginfo_t info;
        MUST(waitid(P_ALL, 0, &info, WEXITED | WSTOPPED));
        SAME("waitid", info.si_pid, kid);
        SAME("status", info.si_status, 13);
        done();
    }
    until_in_call(in_wait4, SYS_wait4);
    until_in_call(in_waitid, SYS_waitid);
    ready();
    wait_go();
    ended_well(in_wait4);
    ended_well(in_waitid);
    pass();
}
