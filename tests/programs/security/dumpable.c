// A process that isn't dumpable, and one whose state is by the system's setting.
#include "outlast_test.h"

int main(void) {
    MUST(prctl(PR_SET_DUMPABLE, 0));
    pid_t kid = child();
    if (!kid) {
        MUST(prctl(PR_SET_DUMPABLE, 1));
        create_("set");
        wait_go();
        SAME("of the child", prctl(PR_GET_DUMPABLE), 1);
        done();
    }
    UNTIL(exists("set"));
    ready();
    wait_go();
    SAME("dumpable", prctl(PR_GET_DUMPABLE), 0);
    ended_well(kid);
    pass();
}
