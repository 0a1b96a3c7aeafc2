// A child in a user namespace of its own. [refused:namespace tree]
#include "outlast_test.h"

int main(void) {
    pid_t kid = child();
    if (!kid) {
        if (unshare(CLONE_NEWUSER) < 0) skip("no user namespaces: %s", strerror(errno));
        create_("inside");
        wait_go();
        done();
    }
    UNTIL(exists("inside"));
    ready();
    wait_go();
    ended_well(kid);
    pass();
}
