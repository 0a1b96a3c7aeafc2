// The address that the kernel clears when a thread ends is kept: join works, and an address of one's own does. [threads]
#include "outlast_test.h"

static atomic_int word;

static void *joined(void *argument) {
    wait_go();
    return argument;
}

static void *own_address(void *argument) {
    (void)argument;
    word = syscall(SYS_set_tid_address, &word);
    wait_go();
    syscall(SYS_exit, 0);
    return NULL;
}

int main(void) {
    pthread_t made = thread(joined, (void *)5);
    thread(own_address, NULL);
    UNTIL(word);
    ready();
    wait_go();
    void *result = NULL;
    MUST0(pthread_join(made, &result));
    SAME("result", (long)result, 5);
    UNTIL(word == 0);
    pass();
}
