// The root itself is stopped; a child of it will continue it. [tree signals]
#include "outlast_test.h"

int main(void) {
    pid_t root = getpid(), kid = child();
    if (!kid) {
        until_state(root, 'T');
        ready();
        wait_go();
        MUST(kill(root, SIGCONT));
        done();
    }
    raise(SIGSTOP);
    // Nobody but the child continues it.
    SAME("may go", may_go(), 1);
    SAME("pid", syscall(SYS_getpid), root);
    ended_well(kid);
    pass();
}
