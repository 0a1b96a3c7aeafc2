// The processor time of process and threads doesn't go backwards. [time threads hard]
#include "outlast_test.h"

static atomic_int set;

static void *other(void *argument) {
    for (volatile long spin = 0; spin < 20000000; spin++) {}
    long long before = now_ns(CLOCK_THREAD_CPUTIME_ID);
    set++;
    wait_go();
    long long after = now_ns(CLOCK_THREAD_CPUTIME_ID);
    HOLDS(after >= before, "%lld after %lld in a thread", after, before);
    return argument;
}

int main(void) {
    pthread_t made = thread(other, NULL);
    UNTIL(set);
    long long before = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    ready();
    wait_go();
    long long after = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    HOLDS(after >= before, "%lld after %lld", after, before);
    MUST0(pthread_join(made, NULL));
    pass();
}
