// A shared mapping of a file: what is written to it is in the file, and the other way, with another process. [files tree]
#include "outlast_test.h"

#define SIZE (16 * 4096)

int main(void) {
    int fd = MUST(open("data", O_RDWR | O_CREAT, 0600));
    MUST(ftruncate(fd, SIZE));
    char *at = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *readable = MUST(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0));
    fill(at, SIZE, 1);
    pid_t kid = child();
    if (!kid) {
        wait_go();
        CHECK_FILL("in the child", at, SIZE, 1);
        fill(at + 4096, 4096, 9);
        done();
    }
    ready();
    wait_go();
    ended_well(kid);
    CHECK_FILL("first page", at, 4096, 1);
    CHECK_FILL("of the child", at + 4096, 4096, 9);
    CHECK_FILL("by the other mapping", readable + 4096, 4096, 9);
    strcpy(at + 100, "written by memory");
    char text[32];
    SAME("read", pread(fd, text, 18, 100), 18);
    HOLDS(!strcmp(text, "written by memory"), "%s", text);
    SAME("written", pwrite(fd, "by file", 8, 200), 8);
    HOLDS(!strcmp(readable + 200, "by file"), "%s", readable + 200);
    pass();
}
