// Processes that share a descriptor under different numbers, some of which its maker has closed. [files tree]
#include "outlast_test.h"

int main(void) {
    write_file("data", "0123456789", 10);
    int fd = MUST(open("data", O_RDONLY));
    pid_t kids[2];
    for (int i = 0; i < 2; i++)
        if (!(kids[i] = child())) {
            MUST(dup2(fd, 20 + i));
            close(fd);
            create_(i ? "second" : "first");
            wait_go();
            if (i) UNTIL(exists("one"));
            char text;
            MUST(read(20 + i, &text, 1));
            SAME("read", text, '0' + i);
            create_(i ? "two" : "one");
            done();
        }
    UNTIL(exists("first") && exists("second"));
    close(fd);
    ready();
    wait_go();
    FAILS(fcntl(fd, F_GETFD), EBADF);
    for (int i = 0; i < 2; i++) ended_well(kids[i]);
    pass();
}
