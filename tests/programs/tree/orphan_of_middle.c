// A subreaper that isn't the root has taken an orphan; the root is none. [tree]
#include "outlast_test.h"

int main(void) {
    pid_t reaper = child();
    if (!reaper) {
        MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
        pid_t self = getpid(), middle = child();
        if (!middle) {
            if (!child()) {
                UNTIL(getppid() == self);
                create_("orphan");
                wait_go();
                SAME("parent", getppid(), self);
                done();
            }
            done();
        }
        ended_well(middle);
        UNTIL(exists("orphan"));
        create_("reaper");
        wait_go();
        int status, is = 0;
        MUST(prctl(PR_GET_CHILD_SUBREAPER, &is));
        SAME("subreaper", is, 1);
        MUST(wait(&status));
        SAME("status", status, 0);
        done();
    }
    UNTIL(exists("reaper"));
    ready();
    wait_go();
    int is = 1;
    MUST(prctl(PR_GET_CHILD_SUBREAPER, &is));
    SAME("root a subreaper", is, 0);
    ended_well(reaper);
    pass();
}
