// System V shared memory, attached in two processes. [hard refused:shared tree]
#include "outlast_test.h"
#include <sys/shm.h>

int main(void) {
    int id = MUST(shmget(IPC_PRIVATE, 65536, 0600));
    char *at = MUST((char *)shmat(id, NULL, 0));
    // Nothing is left of it when all have ended.
    MUST(shmctl(id, IPC_RMID, NULL));
    fill(at, 65536, 1);
    pid_t kid = child();
    if (!kid) {
        wait_go();
        fill(at, 4096, 2);
        done();
    }
    ready();
    wait_go();
    ended_well(kid);
    CHECK_FILL("of the child", at, 4096, 2);
    struct shmid_ds about;
    MUST(shmctl(id, IPC_STAT, &about));
    SAME("attached", about.shm_nattch, 1);
    pass();
}
