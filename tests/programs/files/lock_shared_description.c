// A lock of a description that a parent and its child share lives until both have closed it. [files tree]
#include "outlast_test.h"
#include <sys/file.h>

int main(void) {
    int fd = MUST(open("locked", O_RDWR | O_CREAT, 0600));
    MUST(flock(fd, LOCK_EX));
    pid_t kid = child();
    if (!kid) {
        wait_go();
        UNTIL(exists("closed"));
        done();
    }
    ready();
    wait_go();
    close(fd);
    fd = MUST(open("locked", O_RDWR));
    FAILS(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    create_("closed");
    ended_well(kid);
    MUST(flock(fd, LOCK_EX | LOCK_NB));
    pass();
}
