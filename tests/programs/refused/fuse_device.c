// A device that isn't known to be without state: /dev/fuse. [refused:/dev/fuse]
#include "outlast_test.h"

int main(void) {
    int fd = open("/dev/fuse", O_RDWR | O_NONBLOCK);
    if (fd < 0) skip("no /dev/fuse: %s", strerror(errno));
    ready();
    wait_go();
    MUST(fcntl(fd, F_GETFD));
    pass();
}
