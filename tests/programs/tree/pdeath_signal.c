// The signal on the parent's death is kept, and comes when it dies: not before. [tree]
#include "outlast_test.h"

static volatile sig_atomic_t came;

static void on_usr1(int number) { came = number; }

int main(void) {
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t middle = child();
    if (!middle) {
        pid_t last = child();
        if (!last) {
            signal(SIGUSR1, on_usr1);
            MUST(prctl(PR_SET_PDEATHSIG, SIGUSR1));
            create_("set");
            wait_go();
            int kept = 0;
            MUST(prctl(PR_GET_PDEATHSIG, &kept));
            SAME("signal on the parent's death", kept, SIGUSR1);
            if (came && !exists("dying")) fail("expected no signal while the parent lives, found one");
            create_("seen");
            UNTIL(came);
            done();
        }
        UNTIL(exists("set"));
        create_("middle");
        wait_go();
        UNTIL(exists("seen"));
        create_("dying");
        done();
    }
    UNTIL(exists("middle"));
    ready();
    wait_go();
    ended_well(middle);
    int status;
    MUST(wait(&status));
    SAME("status of the last", status, 0);
    pass();
}
