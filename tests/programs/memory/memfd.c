// A memory file, mapped and open, sealed, with name and offset; shared with a child. [files tree]
#include "outlast_test.h"

int main(void) {
    int fd = MUST(memfd_create("a name", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    MUST(ftruncate(fd, 1 << 20));
    char *at = MUST(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    fill(at, 1 << 19, 4);
    MUST(lseek(fd, 1234, SEEK_SET));
    MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    int unmapped = MUST(memfd_create("only open", 0));
    MUST(write(unmapped, "content", 7));
    pid_t kid = child();
    if (!kid) {
        wait_go();
        fill(at + (1 << 19), 4096, 5);
        SAME("offset of the child", lseek(fd, 1000, SEEK_CUR), 2234);
        done();
    }
    ready();
    wait_go();
    ended_well(kid);
    CHECK_FILL("content", at, 1 << 19, 4);
    CHECK_FILL("of the child", at + (1 << 19), 4096, 5);
    SAME("offset", lseek(fd, 0, SEEK_CUR), 2234);
    SAME("seals", fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW);
    FAILS(ftruncate(fd, 1), EPERM);
    SAME("close on exec", fcntl(fd, F_GETFD), FD_CLOEXEC);
    SAME("written", pwrite(fd, "xyz", 3, 50), 3);
    HOLDS(!memcmp(at + 50, "xyz", 3), "%.3s", at + 50);
    char text[16] = "";
    struct stat st;
    MUST(fstat(unmapped, &st));
    SAME("size", st.st_size, 7);
    SAME("offset", lseek(unmapped, 0, SEEK_CUR), 7);
    SAME("read", pread(unmapped, text, 16, 0), 7);
    HOLDS(!strcmp(text, "content"), "%s", text);
    pass();
}
