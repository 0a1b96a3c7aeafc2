// A pipe keeps what nobody read yet, across both ends in one process.
#include "outlast_test.h"
#include <poll.h>
#include <sys/ioctl.h>

int main(void) {
    int p[2], empty[2], full[2];
    MUST(pipe(p));
    MUST(pipe2(empty, O_NONBLOCK | O_CLOEXEC));
    MUST(pipe2(full, O_NONBLOCK));
    static char block[10000], found[10000];
    fill(block, sizeof block, 7);
    MUST(write(p[1], block, 3));
    MUST(write(p[1], block + 3, sizeof block - 3));
    long filled = 0;
    for (ssize_t part; (part = write(full[1], block, sizeof block)) > 0;) filled += part;
    ready();
    wait_go();
    int waiting;
    MUST(ioctl(p[0], FIONREAD, &waiting));
    SAME("bytes waiting", waiting, sizeof block);
    long got = 0;
    while (got < (long)sizeof block) got += MUST(read(p[0], found + got, sizeof block - got));
    HOLDS(!memcmp(block, found, sizeof block), "other bytes");
    struct pollfd poll_one = {p[0], POLLIN, 0};
    SAME("nothing more", poll(&poll_one, 1, 0), 0);
    FAILS(read(empty[0], found, 1), EAGAIN);
    FAILS(write(full[1], "x", 1), EAGAIN);
    SAME("close on exec", fcntl(empty[0], F_GETFD), FD_CLOEXEC);
    SAME("no close on exec", fcntl(p[1], F_GETFD), 0);
    for (ssize_t part; (part = read(full[0], found, sizeof found)) > 0;) {
        HOLDS(!memcmp(block, found, part), "other bytes in the full one");
        filled -= part;
    }
    SAME("bytes of the full one that are missing", filled, 0);
    MUST(write(p[1], "more", 4));
    SAME("the pipe goes on", MUST(read(p[0], found, 10)), 4);
    close(p[1]);
    SAME("end of file", MUST(read(p[0], found, 10)), 0);
    pass();
}
