// A private mapping of a file: its own changes stay, the file has none of them, untouched pages are the file's. [files]
#include "outlast_test.h"

#define SIZE (64 * 4096)

int main(void) {
    static char content[SIZE];
    fill(content, SIZE, 1);
    write_file("data", content, SIZE);
    int fd = MUST(open("data", O_RDWR));
    char *at = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    char *second = MUST(mmap(NULL, 4 * 4096, PROT_READ, MAP_PRIVATE, fd, 8 * 4096));
    close(fd);
    fill(at + 3 * 4096, 4096, 2);
    at[10 * 4096] ^= 1;
    fill(at + 63 * 4096, 4096, 3);
    ready();
    wait_go();
    CHECK_FILL("before the changed page", at, 3 * 4096, 1);
    CHECK_FILL("the changed page", at + 3 * 4096, 4096, 2);
    HOLDS(!memcmp(at + 4 * 4096, content + 4 * 4096, 6 * 4096), "another content");
    SAME("a changed byte", at[10 * 4096] ^ content[10 * 4096], 1);
    HOLDS(!memcmp(at + 10 * 4096 + 1, content + 10 * 4096 + 1, 52 * 4096), "another content");
    CHECK_FILL("the last page", at + 63 * 4096, 4096, 3);
    HOLDS(!memcmp(second, content + 8 * 4096, 4 * 4096), "another content at an offset");
    static char found[SIZE];
    fd = MUST(open("data", O_RDWR));
    SAME("read", read(fd, found, SIZE), SIZE);
    HOLDS(!memcmp(found, content, SIZE), "a changed file");
    // Pages that were never touched follow the file still.
    MUST(pwrite(fd, "new", 3, 20 * 4096));
    HOLDS(!memcmp(at + 20 * 4096, "new", 3), "a copy of the old content");
    HOLDS(memcmp(at + 3 * 4096, "new", 3), "the changed page follows the file");
    pass();
}
