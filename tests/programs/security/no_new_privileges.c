// No new privileges: of the process and a child, and of one thread alone. [threads tree]
#include "outlast_test.h"

static atomic_int set;

static void *alone(void *argument) {
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    set++;
    wait_go();
    SAME("in the thread", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    return argument;
}

int main(void) {
    pthread_t made = thread(alone, NULL);
    pid_t kid = child();
    if (!kid) {
        MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        create_("set");
        wait_go();
        SAME("in the child", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
        done();
    }
    UNTIL(set && exists("set"));
    ready();
    wait_go();
    SAME("in the first thread", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    MUST0(pthread_join(made, NULL));
    ended_well(kid);
    pass();
}
