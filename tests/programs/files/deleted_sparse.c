// A deleted file of 8 GiB with three pages in it: its holes cost nothing and stay. [files]
#include "outlast_test.h"

int main(void) {
    int fd = MUST(open("sparse", O_RDWR | O_CREAT, 0600));
    MUST(unlink("sparse"));
    static char page[4096], found[4096];
    off_t places[] = {0, 3l << 30, (8l << 30) - 4096};
    for (int i = 0; i < 3; i++) {
        fill(page, 4096, i);
        SAME("written", pwrite(fd, page, 4096, places[i]), 4096);
    }
    ready();
    wait_go();
    struct stat st;
    MUST(fstat(fd, &st));
    SAME("size", st.st_size, 8l << 30);
    HOLDS(st.st_blocks < 20000, "%ld blocks", (long)st.st_blocks);
    for (int i = 0; i < 3; i++) {
        SAME("read", pread(fd, found, 4096, places[i]), 4096);
        CHECK_FILL("content", found, 4096, i);
    }
    SAME("read", pread(fd, found, 4096, 1l << 30), 4096);
    for (int i = 0; i < 4096; i++) SAME("hole", found[i], 0);
    pass();
}
