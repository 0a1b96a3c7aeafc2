// A descriptor of a namespace. [refused:namespace same-pids]
#include "outlast_test.h"

int main(void) {
    int fd = open("/proc/self/ns/uts", O_RDONLY);
    if (fd < 0) skip("no /proc: %s", strerror(errno));
    ready();
    wait_go();
    MUST(fcntl(fd, F_GETFD));
    pass();
}
