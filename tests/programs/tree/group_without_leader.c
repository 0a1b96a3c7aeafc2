// A process group whose leader has ended and was waited for. [tree]
#include "outlast_test.h"

int main(void) {
    pid_t leader = child();
    if (!leader) {
        MUST(setpgid(0, 0));
        UNTIL(exists("joined"));
        done();
    }
    UNTIL(getpgid(leader) == leader);
    pid_t member = child();
    if (!member) {
        MUST(setpgid(0, leader));
        create_("joined");
        UNTIL(kill(leader, 0) < 0);
        create_("alone");
        wait_go();
        SAME("group", getpgrp(), leader);
        done();
    }
    ended_well(leader);
    UNTIL(exists("alone"));
    ready();
    wait_go();
    SAME("member's group", getpgid(member), leader);
    ended_well(member);
    pass();
}
