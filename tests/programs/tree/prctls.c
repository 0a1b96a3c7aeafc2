// What else a process has set by prctl: timer slack of each thread, no huge pages, keep-capabilities.
#include "outlast_test.h"

static atomic_int set;

static void *other(void *argument) {
    MUST(prctl(PR_SET_TIMERSLACK, 123456));
    set++;
    wait_go();
    SAME("timer slack of the thread", prctl(PR_GET_TIMERSLACK), 123456);
    return argument;
}

int main(void) {
    MUST(prctl(PR_SET_TIMERSLACK, 777777));
    MUST(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    MUST(prctl(PR_SET_KEEPCAPS, 1));
    pthread_t made = thread(other, NULL);
    UNTIL(set);
    ready();
    wait_go();
    SAME("timer slack", prctl(PR_GET_TIMERSLACK), 777777);
    SAME("huge pages disabled", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
    SAME("capabilities kept", prctl(PR_GET_KEEPCAPS), 1);
    MUST0(pthread_join(made, NULL));
    pass();
}
