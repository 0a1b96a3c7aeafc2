// Children in process groups of their own, of a sibling and of the parent. [tree]
#include "outlast_test.h"

static volatile sig_atomic_t terminated;

static void on_term(int number) { terminated = number; }

static pid_t waiting_child(pid_t group) {
    pid_t made = child();
    if (made) {
        setpgid(made, group == -1 ? 0 : group);
        return made;
    }
    MUST(setpgid(0, group == -1 ? 0 : group));
    signal(SIGTERM, on_term);
    UNTIL(getpgrp() == (group == -1 ? getpid() : group));
    create_(getpgrp() == getpid() ? "leader" : "member");
    wait_go();
    UNTIL(terminated);
    done();
}

int main(void) {
    pid_t leader = waiting_child(-1);
    UNTIL(exists("leader"));
    pid_t member = waiting_child(leader);
    UNTIL(exists("member"));
    pid_t same = child();
    if (!same) {
        SAME("group of the parent", getpgrp(), getppid());
        wait_go();
        done();
    }
    ready();
    wait_go();
    SAME("leader's group", getpgid(leader), leader);
    SAME("member's group", getpgid(member), leader);
    SAME("the other's group", getpgid(same), getpid());
    nap_ms(20);
    MUST(kill(-leader, SIGTERM));
    ended_well(leader);
    ended_well(member);
    ended_well(same);
    pass();
}
