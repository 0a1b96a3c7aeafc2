// Descriptors made by dup and by fork share their offset and flags; others of the same file don't. [files tree]
#include "outlast_test.h"

int main(void) {
    write_file("data", "0123456789abcdefghij", 20);
    int first = MUST(open("data", O_RDWR)), dupped = MUST(dup(first)), high = MUST(fcntl(first, F_DUPFD_CLOEXEC, 300));
    int apart = MUST(open("data", O_RDWR));
    char text[8];
    MUST(read(first, text, 3));
    MUST(read(apart, text, 1));
    pid_t kid = child();
    if (!kid) {
        wait_go();
        UNTIL(exists("parent"));
        SAME("offset in the child", lseek(first, 0, SEEK_CUR), 5);
        SAME("offset of the other in the child", lseek(apart, 0, SEEK_CUR), 1);
        MUST(lseek(high, 9, SEEK_SET));
        MUST(fcntl(apart, F_SETFL, O_NONBLOCK));
        // Its own table: the parent keeps what is closed here.
        close(dupped);
        done();
    }
    ready();
    wait_go();
    MUST(read(dupped, text, 2));
    HOLDS(!memcmp(text, "34", 2), "%.2s", text);
    create_("parent");
    ended_well(kid);
    SAME("offset set by the child", lseek(first, 0, SEEK_CUR), 9);
    SAME("offset of the other", lseek(apart, 0, SEEK_CUR), 1);
    SAME("flag set by the child", fcntl(apart, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    SAME("flag of the first", fcntl(first, F_GETFL) & O_NONBLOCK, 0);
    SAME("close on exec", fcntl(high, F_GETFD), FD_CLOEXEC);
    SAME("close on exec of the first", fcntl(first, F_GETFD), 0);
    MUST(fcntl(dupped, F_GETFD));
    pass();
}
