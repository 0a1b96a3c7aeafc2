// A child with a session of its own, in which there are two groups. [tree]
#include "outlast_test.h"

int main(void) {
    pid_t leader = child();
    if (!leader) {
        MUST(setsid());
        pid_t inner = child();
        if (!inner) {
            MUST(setpgid(0, 0));
            create_("inner");
            wait_go();
            SAME("inner session", getsid(0), getppid());
            SAME("inner group", getpgrp(), getpid());
            done();
        }
        UNTIL(exists("inner"));
        create_("leader");
        wait_go();
        SAME("session", getsid(0), getpid());
        FAILS(setsid(), EPERM);
        ended_well(inner);
        done();
    }
    UNTIL(exists("leader"));
    ready();
    wait_go();
    SAME("own session", getsid(0), getpid());
    SAME("child's session", getsid(leader), leader);
    ended_well(leader);
    pass();
}
