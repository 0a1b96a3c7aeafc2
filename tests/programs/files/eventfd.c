// Event counters: values, semaphores, flags, shared with a child. [files tree]
#include "outlast_test.h"
#include <sys/eventfd.h>

int main(void) {
    int counter = MUST(eventfd(7, EFD_CLOEXEC)), semaphore = MUST(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK)),
        empty = MUST(eventfd(0, EFD_NONBLOCK)), full = MUST(eventfd(0, EFD_NONBLOCK));
    uint64_t value = UINT64_MAX - 1;
    MUST(write(full, &value, 8));
    pid_t kid = child();
    if (!kid) {
        wait_go();
        value = 5;
        MUST(write(counter, &value, 8));
        done();
    }
    ready();
    wait_go();
    ended_well(kid);
    MUST(read(counter, &value, 8));
    SAME("value", value, 12);
    for (int i = 0; i < 3; i++) {
        MUST(read(semaphore, &value, 8));
        SAME("semaphore", value, 1);
    }
    FAILS(read(semaphore, &value, 8), EAGAIN);
    FAILS(read(empty, &value, 8), EAGAIN);
    value = 1;
    FAILS(write(full, &value, 8), EAGAIN);
    MUST(read(full, &value, 8));
    SAME("full", value, UINT64_MAX - 1);
    SAME("close on exec", fcntl(counter, F_GETFD), FD_CLOEXEC);
    pass();
}
