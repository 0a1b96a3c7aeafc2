// Thirty processes, each the child of the one before. [tree]
#include "outlast_test.h"

#define DEPTH 30

static void link_of_chain(int depth) {
    pid_t parent = getppid(), kid = 0;
    if (depth < DEPTH) {
        kid = child();
        if (!kid) {
            link_of_chain(depth + 1);
            done();
        }
    } else {
        create_("end");
    }
    if (depth == 0) {
        UNTIL(exists("end"));
        ready();
    }
    wait_go();
    if (depth > 0) SAME("parent", getppid(), parent);
    if (kid) ended_well(kid);
}

int main(void) {
    link_of_chain(0);
    pass();
}
