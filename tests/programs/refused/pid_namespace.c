// A child in a process namespace of its own. [refused:namespace tree root]
#include "outlast_test.h"

int main(void) {
    if (unshare(CLONE_NEWPID) < 0) skip("no namespaces: %s", strerror(errno));
    pid_t kid = child();
    if (!kid) {
        create_("inside");
        wait_go();
        SAME("pid", syscall(SYS_getpid), 1);
        done();
    }
    UNTIL(exists("inside"));
    ready();
    wait_go();
    ended_well(kid);
    pass();
}
