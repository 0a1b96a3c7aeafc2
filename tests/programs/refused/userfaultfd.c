// A userfaultfd, with memory registered, isn't carried. [refused:userfaultfd]
#include "outlast_test.h"
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

int main(void) {
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1 /* faults of the program only */);
    if (fd < 0) skip("no userfaultfd: %s", strerror(errno));
    struct uffdio_api api = {.api = UFFD_API};
    MUST(ioctl(fd, UFFDIO_API, &api));
    char *at = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    struct uffdio_register range = {.range = {(uintptr_t)at, 8192}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    MUST(ioctl(fd, UFFDIO_REGISTER, &range));
    ready();
    wait_go();
    struct uffdio_zeropage zero = {.range = {(uintptr_t)at, 4096}};
    MUST(ioctl(fd, UFFDIO_ZEROPAGE, &zero));
    SAME("content", at[5], 0);
    pass();
}
