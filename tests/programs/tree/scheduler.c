// Batch and idle policies, of each thread its own, and the reset on fork. [threads]
#include "outlast_test.h"

static atomic_int set;

static void *idle(void *argument) {
    struct sched_param none = {0};
    MUST(sched_setscheduler(0, SCHED_IDLE, &none));
    set++;
    wait_go();
    SAME("policy of the thread", sched_getscheduler(0), SCHED_IDLE);
    return argument;
}

int main(void) {
    struct sched_param none = {0};
    pthread_t made = thread(idle, NULL);
    MUST(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &none));
    UNTIL(set);
    ready();
    wait_go();
    SAME("policy", sched_getscheduler(0), SCHED_BATCH | SCHED_RESET_ON_FORK);
    MUST0(pthread_join(made, NULL));
    pid_t kid = child();
    if (!kid) {
        // Only realtime policies are reset; the flag itself isn't inherited.
        SAME("policy of a child", sched_getscheduler(0), SCHED_BATCH);
        done();
    }
    ended_well(kid);
    pass();
}
