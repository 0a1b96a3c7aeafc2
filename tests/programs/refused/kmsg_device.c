// A device that isn't known to be without state: /dev/kmsg. [refused:/dev/kmsg]
#include "outlast_test.h"

int main(void) {
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
    if (fd < 0) skip("no /dev/kmsg: %s", strerror(errno));
    ready();
    wait_go();
    MUST(fcntl(fd, F_GETFD));
    pass();
}
