// A process that a child has made as its sibling. [tree]
#include "outlast_test.h"

int main(void) {
    pid_t root = getpid(), kid = child();
    if (!kid) {
        pid_t sibling = MUST(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL));
        if (!sibling) {
            create_("sibling");
            wait_go();
            SAME("parent", getppid(), root);
            _exit(3);
        }
        wait_go();
        FAILS(waitpid(sibling, NULL, 0), ECHILD);
        done();
    }
    UNTIL(exists("sibling"));
    ready();
    wait_go();
    ended_well(kid);
    int status;
    MUST(wait(&status));
    SAME("status", status, 3 << 8);
    pass();
}
