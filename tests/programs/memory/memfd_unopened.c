// A memory file that is mapped twice and not open any more; one private mapping of it. [files]
#include "outlast_test.h"

int main(void) {
    int fd = MUST(memfd_create("closed", 0));
    MUST(ftruncate(fd, 8 * 4096));
    char *a = MUST(mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *b = MUST(mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4 * 4096));
    char *c = MUST(mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    close(fd);
    fill(a, 8 * 4096, 1);
    fill(c + 4096, 4096, 2);
    ready();
    wait_go();
    CHECK_FILL("first", a, 8 * 4096, 1);
    HOLDS(!memcmp(a + 4 * 4096, b, 4 * 4096), "another content by the second");
    CHECK_FILL("private change", c + 4096, 4096, 2);
    CHECK_FILL("private, unchanged", c, 4096, 1);
    b[5] = 99;
    SAME("by the other mapping", a[4 * 4096 + 5], 99);
    c[6 * 4096] = 1;
    SAME("not by the private one", a[6 * 4096] == 1 && c[6 * 4096] != 1, 0);
    pass();
}
