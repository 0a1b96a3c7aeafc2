// A socket of a grandchild, at a high number: it is named with that process. [refused:socket tree]
#include "outlast_test.h"
#include <sys/socket.h>

int main(void) {
    pid_t kid = child();
    if (!kid) {
        pid_t last = child();
        if (!last) {
            int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
            MUST(dup2(fd, 77));
            close(fd);
            create_("made");
            wait_go();
            MUST(fcntl(77, F_GETFD));
            done();
        }
        ended_well(last);
        done();
    }
    UNTIL(exists("made"));
    ready();
    wait_go();
    ended_well(kid);
    pass();
}
