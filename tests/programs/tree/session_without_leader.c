// A session whose leader has ended: its members keep session and group. [tree]
#include "outlast_test.h"

int main(void) {
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t leader = child();
    if (!leader) {
        MUST(setsid());
        pid_t member = child();
        if (!member) {
            pid_t session = getsid(0);
            UNTIL(getppid() != session && kill(session, 0) < 0);
            create_("alone");
            wait_go();
            SAME("session", getsid(0), session);
            SAME("group", getpgrp(), session);
            done();
        }
        done();
    }
    ended_well(leader);
    UNTIL(exists("alone"));
    ready();
    wait_go();
    int status;
    pid_t orphan = MUST(wait(&status));
    HOLDS(orphan != leader && status == 0, "%d with status %#x", orphan, status);
    pass();
}
