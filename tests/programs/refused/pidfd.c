// A descriptor of a process: of the kind that is only known by its name. [refused:pidfd tree]
#include "outlast_test.h"
#include <poll.h>

int main(void) {
    pid_t kid = child();
    if (!kid) {
        wait_go();
        done();
    }
    int fd = MUST(syscall(SYS_pidfd_open, kid, 0));
    ready();
    wait_go();
    struct pollfd ended = {fd, POLLIN, 0};
    SAME("ended", MUST(poll(&ended, 1, 30000)), 1);
    ended_well(kid);
    pass();
}
