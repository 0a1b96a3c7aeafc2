// The processors that each thread may use. [threads]
#include "outlast_test.h"

static atomic_int set;
static int count, last;

static void *other(void *argument) {
    cpu_set_t one, found;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    MUST(sched_setaffinity(0, sizeof one, &one));
    set++;
    wait_go();
    MUST(sched_getaffinity(0, sizeof found, &found));
    HOLDS(CPU_EQUAL(&one, &found), "%d processors", CPU_COUNT(&found));
    return argument;
}

int main(void) {
    cpu_set_t all, one, found;
    MUST(sched_getaffinity(0, sizeof all, &all));
    count = CPU_COUNT(&all);
    if (count < 2) skip("one processor");
    int first = -1;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all)) {
            if (first < 0) first = i;
            last = i;
        }
    pthread_t made = thread(other, NULL);
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    MUST(sched_setaffinity(0, sizeof one, &one));
    UNTIL(set);
    ready();
    wait_go();
    MUST(sched_getaffinity(0, sizeof found, &found));
    HOLDS(CPU_EQUAL(&one, &found), "%d processors", CPU_COUNT(&found));
    MUST0(pthread_join(made, NULL));
    pass();
}
