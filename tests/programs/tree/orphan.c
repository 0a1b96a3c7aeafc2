// An orphan that a subreaper took is its child, and the subreaper remains one. [tree]
#include "outlast_test.h"

int main(void) {
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t root = getpid(), middle = child();
    if (!middle) {
        if (!child()) {
            UNTIL(getppid() == root);
            create_("orphan");
            wait_go();
            SAME("parent", getppid(), root);
            done();
        }
        done();
    }
    ended_well(middle);
    UNTIL(exists("orphan"));
    ready();
    wait_go();
    int is = 0, status;
    MUST(prctl(PR_GET_CHILD_SUBREAPER, &is));
    SAME("subreaper", is, 1);
    MUST(wait(&status));
    SAME("status", status, 0);
    // One more, that is orphaned only now.
    middle = child();
    if (!middle) {
        if (!child()) {
            UNTIL(getppid() == root);
            done();
        }
        done();
    }
    ended_well(middle);
    MUST(wait(&status));
    SAME("status of the second", status, 0);
    FAILS(wait(&status), ECHILD);
    pass();
}
