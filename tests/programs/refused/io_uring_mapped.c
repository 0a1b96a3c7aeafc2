// An io_uring whose descriptor is closed, while its memory is mapped still. [refused:io_uring]
#include "outlast_test.h"
#include <linux/io_uring.h>

int main(void) {
    struct io_uring_params parameters = {0};
    int ring = syscall(SYS_io_uring_setup, 8, &parameters);
    if (ring < 0) skip("no io_uring: %s", strerror(errno));
    uint32_t *at = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING));
    close(ring);
    ready();
    wait_go();
    SAME("mask", at[parameters.sq_off.ring_mask / 4], 7);
    pass();
}
