// A process that traces another of the tree. [refused:trac tree]
#include "outlast_test.h"
#include <sys/ptrace.h>

int main(void) {
    pid_t kid = child();
    if (!kid) {
        wait_go();
        done();
    }
    if (ptrace(PTRACE_SEIZE, kid, NULL, NULL) < 0) skip("no tracing: %s", strerror(errno));
    ready();
    wait_go();
    ended_well(kid);
    pass();
}
