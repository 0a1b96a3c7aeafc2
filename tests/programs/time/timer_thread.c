// A timer of the C library that runs a function in a thread. [time threads]
#include "outlast_test.h"

static atomic_int ran;

static void function(union sigval value) {
    if (value.sival_int == 33) ran++;
}

int main(void) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = function,
                             .sigev_value.sival_int = 33};
    timer_t id;
    MUST(timer_create(CLOCK_MONOTONIC, &event, &id));
    struct itimerspec often = {{0, 20 * MS}, {0, 20 * MS}};
    MUST(timer_settime(id, 0, &often, NULL));
    UNTIL(ran > 1);
    ready();
    wait_go();
    int now = ran;
    UNTIL(ran > now + 2);
    MUST(timer_delete(id));
    pass();
}
