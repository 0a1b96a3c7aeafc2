// No SIGCHLD comes out of nothing, and ignoring it still makes children vanish. [tree signals]
#include "outlast_test.h"

static atomic_int came;

static void on_chld(int number) {
    (void)number;
    came++;
}

int main(void) {
    signal(SIGCHLD, on_chld);
    pid_t alive = child(), ignoring;
    if (!alive) {
        wait_go();
        UNTIL(exists("end"));
        done();
    }
    ignoring = child();
    if (!ignoring) {
        signal(SIGCHLD, SIG_IGN);
        pid_t last = child();
        if (!last) {
            wait_go();
            done();
        }
        create_("ignoring");
        wait_go();
        FAILS(waitpid(last, NULL, 0), ECHILD);
        UNTIL(exists("end"));
        done();
    }
    UNTIL(exists("ignoring"));
    ready();
    wait_go();
    SAME("SIGCHLD so far", came, 0);
    create_("end");
    UNTIL(came);
    ended_well(alive);
    ended_well(ignoring);
    pass();
}
