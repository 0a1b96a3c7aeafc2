// A thread opens a FIFO, and waits in open until somebody opens its other end. [threads files]
#include "outlast_test.h"

static void reader(void) {
    int fd = MUST(open(in_folder("fifo"), O_RDONLY));
    char text[8];
    SAME("read", MUST(read(fd, text, sizeof text)), 2);
    close(fd);
}

int main(void) {
    MUST(mkfifo("fifo", 0600));
    struct blocked *one = block_in(SYS_openat, reader);
    ready();
    wait_go();
    still_blocked(one);
    int fd = MUST(open("fifo", O_WRONLY));
    MUST(write(fd, "hi", 2));
    unblocked(one);
    pass();
}
