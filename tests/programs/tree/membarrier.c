// A registration for expedited memory barriers holds. [threads]
#include "outlast_test.h"
#include <linux/membarrier.h>

static void *other(void *argument) {
    wait_go();
    return argument;
}

int main(void) {
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) < 0) skip("%s", strerror(errno));
    pthread_t made = thread(other, NULL);
    MUST(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    ready();
    wait_go();
    MUST(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    MUST0(pthread_join(made, NULL));
    pass();
}
