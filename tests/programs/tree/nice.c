// Nice values, of each thread its own. [threads tree]
#include "outlast_test.h"
#include <sys/resource.h>

static atomic_int tid;

static void body(void) {
    errno = 0;
    SAME("nice of the thread", getpriority(PRIO_PROCESS, 0), 11);
}

static void *other(void *argument) {
    MUST(setpriority(PRIO_PROCESS, gettid(), 11));
    tid = gettid();
    wait_go();
    body();
    return argument;
}

int main(void) {
    MUST(setpriority(PRIO_PROCESS, 0, 3));
    pthread_t made = thread(other, NULL);
    pid_t kid = child();
    if (!kid) {
        MUST(setpriority(PRIO_PROCESS, 0, 19));
        create_("set");
        wait_go();
        SAME("nice of the child", getpriority(PRIO_PROCESS, 0), 19);
        done();
    }
    UNTIL(tid && exists("set"));
    ready();
    wait_go();
    SAME("nice", getpriority(PRIO_PROCESS, 0), 3);
    MUST0(pthread_join(made, NULL));
    ended_well(kid);
    pass();
}
