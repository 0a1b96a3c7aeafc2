// The first thread has ended, others go on: the process is a zombie that lives. [threads hard refused:leader]
#include "outlast_test.h"

static void *other(void *argument) {
    until_state(getpid(), 'Z');
    ready();
    while (!may_go()) nap_ms(1);
    SAME("pid", syscall(SYS_getpid), pid_at_ready_);
    HOLDS(syscall(SYS_gettid) != pid_at_ready_, "the first thread");
    (void)argument;
    pass();
}

int main(void) {
    thread(other, NULL);
    pthread_exit(NULL);
}
