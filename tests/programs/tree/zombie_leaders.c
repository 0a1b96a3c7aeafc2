// Zombies that lead a process group and a session, whose members live. [tree hard]
#include "outlast_test.h"

int main(void) {
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t group = child();
    if (!group) {
        MUST(setpgid(0, 0));
        UNTIL(exists("member"));
        _exit(5);
    }
    UNTIL(getpgid(group) == group);
    pid_t member = child();
    if (!member) {
        MUST(setpgid(0, group));
        create_("member");
        until_state(group, 'Z');
        create_("alone");
        wait_go();
        SAME("group", getpgrp(), group);
        done();
    }
    pid_t session = child();
    if (!session) {
        MUST(setsid());
        if (!child()) {
            pid_t own = getsid(0);
            until_state(own, 'Z');
            create_("orphan");
            wait_go();
            SAME("session", getsid(0), own);
            done();
        }
        _exit(6);
    }
    UNTIL(exists("alone") && exists("orphan"));
    ready();
    wait_go();
    int status;
    SAME("group of the zombie", getpgid(group), group);
    SAME("session of the zombie", getsid(session), session);
    SAME("leader", waitpid(group, &status, 0), group);
    SAME("status", status, 5 << 8);
    SAME("leader", waitpid(session, &status, 0), session);
    SAME("status", status, 6 << 8);
    ended_well(member);
    MUST(wait(&status));
    SAME("status of the orphan", status, 0);
    pass();
}
