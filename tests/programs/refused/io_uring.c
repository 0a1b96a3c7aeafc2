// An io_uring isn't carried. [refused:io_uring]
#include "outlast_test.h"
#include <linux/io_uring.h>

int main(void) {
    struct io_uring_params parameters = {0};
    int ring = syscall(SYS_io_uring_setup, 8, &parameters);
    if (ring < 0) skip("no io_uring: %s", strerror(errno));
    ready();
    wait_go();
    SAME("nothing submitted", MUST(syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0)), 0);
    pass();
}
