// The root leads neither its session nor its process group: those are of whoever started it. [tree outside-session]
#include "outlast_test.h"

// As wait_go(), without its checks: a restored root can't join a session that it doesn't lead.
static void wait_quietly(void) {
    for (long polls = 0; !may_go(); polls++) {
        if (polls > POLLS_FOR_GO) _exit(3);
        nap_ms(1);
    }
}

int main(void) {
    HOLDS(getsid(0) != getpid() && getpgrp() != getpid(), "session %d, group %d", getsid(0), getpgrp());
    pid_t pid = getpid(), same = child();
    if (!same) {
        wait_quietly();
        SAME("session of the parent", getsid(0), getsid(getppid()));
        SAME("group of the parent", getpgrp(), getpgid(getppid()));
        done();
    }
    pid_t own = child();
    if (!own) {
        MUST(setpgid(0, 0));
        create_("own");
        wait_quietly();
        SAME("own group", getpgrp(), getpid());
        done();
    }
    UNTIL(exists("own"));
    ready();
    wait_quietly();
    SAME("pid", syscall(SYS_getpid), pid);
    ended_well(same);
    ended_well(own);
    pass();
}
