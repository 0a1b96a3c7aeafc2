// A sparse file, mapped shared, with holes: they are holes still, and read as zero. [files]
#include "outlast_test.h"

int main(void) {
    int fd = MUST(open("sparse", O_RDWR | O_CREAT, 0600));
    MUST(ftruncate(fd, 1l << 30));
    char *at = MUST(mmap(NULL, 1l << 30, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    fill(at + (512 << 20), 4096, 1);
    MUST(msync(at + (512 << 20), 4096, MS_SYNC));
    ready();
    wait_go();
    CHECK_FILL("content", at + (512 << 20), 4096, 1);
    SAME("hole", at[100 << 20], 0);
    struct stat st;
    MUST(fstat(fd, &st));
    SAME("size", st.st_size, 1l << 30);
    HOLDS(st.st_blocks < 4096, "%ld blocks", (long)st.st_blocks);
    pass();
}
