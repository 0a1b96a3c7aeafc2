// The priority of input and output, of each thread its own. [threads]
#include "outlast_test.h"

#define BEST_EFFORT(level) (2 << 13 | (level))
#define IDLE (3 << 13)

static atomic_int set;

static void *other(void *argument) {
    MUST(syscall(SYS_ioprio_set, 1, 0, IDLE));
    set++;
    wait_go();
    SAME("priority of the thread", syscall(SYS_ioprio_get, 1, 0), IDLE);
    return argument;
}

int main(void) {
    pthread_t made = thread(other, NULL);
    MUST(syscall(SYS_ioprio_set, 1, 0, BEST_EFFORT(6)));
    UNTIL(set);
    ready();
    wait_go();
    SAME("priority", syscall(SYS_ioprio_get, 1, 0), BEST_EFFORT(6));
    MUST0(pthread_join(made, NULL));
    pass();
}
