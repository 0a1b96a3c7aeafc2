// A process that somebody traces already: here the root is traced by its child. [refused:traced tree]
#include "outlast_test.h"
#include <sys/ptrace.h>

int main(void) {
    pid_t kid = child();
    if (!kid) {
        pid_t root = getppid();
        if (ptrace(PTRACE_SEIZE, root, NULL, NULL) < 0) skip("no tracing: %s", strerror(errno));
        create_("tracing");
        wait_go();
        UNTIL(exists("enough"));
        // Its end lets go.
        done();
    }
    UNTIL(exists("tracing"));
    ready();
    wait_go();
    create_("enough");
    // SIGCHLD stops a traced one until its tracer lets it go on; the tracer is gone by then.
    ended_well(kid);
    pass();
}
