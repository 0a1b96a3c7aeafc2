// Realtime policies with their priorities. [threads root]
#include "outlast_test.h"

static atomic_int set;

static void *fifo(void *argument) {
    struct sched_param priority = {.sched_priority = 2};
    if (sched_setscheduler(0, SCHED_FIFO, &priority) < 0) skip("no realtime scheduling: %s", strerror(errno));
    set++;
    wait_go();
    SAME("policy of the thread", sched_getscheduler(0), SCHED_FIFO);
    MUST(sched_getparam(0, &priority));
    SAME("priority of the thread", priority.sched_priority, 2);
    return argument;
}

int main(void) {
    struct sched_param priority = {.sched_priority = 7};
    if (sched_setscheduler(0, SCHED_RR, &priority) < 0) skip("no realtime scheduling: %s", strerror(errno));
    pthread_t made = thread(fifo, NULL);
    UNTIL(set);
    ready();
    wait_go();
    SAME("policy", sched_getscheduler(0), SCHED_RR);
    MUST(sched_getparam(0, &priority));
    SAME("priority", priority.sched_priority, 7);
    MUST0(pthread_join(made, NULL));
    pass();
}
