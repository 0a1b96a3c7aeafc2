// A child with a mount namespace of its own. [refused:namespace tree root]
#include "outlast_test.h"

int main(void) {
    pid_t kid = child();
    if (!kid) {
        if (unshare(CLONE_NEWNS) < 0) skip("no namespaces: %s", strerror(errno));
        create_("apart");
        wait_go();
        done();
    }
    UNTIL(exists("apart"));
    ready();
    wait_go();
    ended_well(kid);
    pass();
}
