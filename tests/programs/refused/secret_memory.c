// Secret memory, which nobody outside can read. [refused:secret]
#include "outlast_test.h"

int main(void) {
    int fd = syscall(447 /* memfd_secret */, 0);
    if (fd < 0) skip("no secret memory: %s", strerror(errno));
    MUST(ftruncate(fd, 4096));
    char *at = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    strcpy(at, "secret");
    ready();
    wait_go();
    HOLDS(!strcmp(at, "secret"), "%s", at);
    pass();
}
