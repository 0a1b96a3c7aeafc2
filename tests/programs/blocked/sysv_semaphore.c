// A thread in semop, which sees no EINTR. [threads hard refused:semaphore]
#include "outlast_test.h"
#include <sys/sem.h>

static int set;

static void body(void) {
    struct sembuf down = {0, -1, 0};
    MUST(semop(set, &down, 1));
}

int main(void) {
    set = MUST(semget(IPC_PRIVATE, 1, 0600));
    struct blocked *one = block_in(SYS_semtimedop, body);
    ready();
    wait_go();
    still_blocked(one);
    struct sembuf up = {0, 1, 0};
    MUST(semop(set, &up, 1));
    unblocked(one);
    MUST(semctl(set, 0, IPC_RMID));
    pass();
}
