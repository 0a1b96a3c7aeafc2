// A context of the kernel's asynchronous input and output isn't carried. [refused:aio]
#include "outlast_test.h"
#include <linux/aio_abi.h>

int main(void) {
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, 8, &context) < 0) skip("no asynchronous input and output: %s", strerror(errno));
    ready();
    wait_go();
    struct timespec none = {0, 0};
    struct io_event event;
    SAME("events", MUST(syscall(SYS_io_getevents, context, 0, 1, &event, &none)), 0);
    pass();
}
