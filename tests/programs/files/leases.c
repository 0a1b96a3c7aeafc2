// A lease on a file, its signal and its owner. [hard files signals refused:lease]
#include "outlast_test.h"

static atomic_int broken;

static void on_break(int number) {
    (void)number;
    broken++;
}

int main(void) {
    signal(SIGUSR1, on_break);
    int fd = MUST(open("leased", O_RDWR | O_CREAT, 0600));
    MUST(fcntl(fd, F_SETSIG, SIGUSR1));
    if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0) skip("no lease: %s", strerror(errno));
    ready();
    wait_go();
    SAME("lease", fcntl(fd, F_GETLEASE), F_WRLCK);
    FAILS(open("leased", O_RDONLY | O_NONBLOCK), EWOULDBLOCK);
    UNTIL(broken);
    MUST(fcntl(fd, F_SETLEASE, F_UNLCK));
    pass();
}
