// A sealed mapping (mseal, Linux 6.10) can't be changed, also after. [hard refused:seal]
#include "outlast_test.h"

int main(void) {
    char *at = MUST(mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, 4 * 4096, 1);
    if (syscall(462 /* mseal */, at, 2 * 4096, 0) < 0) skip("no mseal: %s", strerror(errno));
    ready();
    wait_go();
    CHECK_FILL("content", at, 4 * 4096, 1);
    FAILS(mprotect(at, 4096, PROT_READ), EPERM);
    FAILS(munmap(at, 4096), EPERM);
    MUST(munmap(at + 3 * 4096, 4096));
    pass();
}
