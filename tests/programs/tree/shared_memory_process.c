// Two processes, not threads, with one address space. [tree hard]
#include "outlast_test.h"

static volatile int from_child;
static char stack[65536] __attribute__((aligned(16)));

static int run(void *argument) {
    (void)argument;
    while (!may_go()) {
        struct timespec ms = {0, MS};
        syscall(SYS_nanosleep, &ms, NULL);
    }
    from_child = 31;
    syscall(SYS_exit_group, 4);
    return 0;
}

int main(void) {
    pid_t kid = MUST(clone(run, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL));
    ready();
    wait_go();
    int status;
    SAME("child", waitpid(kid, &status, 0), kid);
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 4, "%#x", status);
    SAME("written by it", from_child, 31);
    pass();
}
