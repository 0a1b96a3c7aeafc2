// Files in memory-backed file systems: deleted ones, by name and without. [files]
#include "outlast_test.h"

int main(void) {
    char name[64];
    snprintf(name, sizeof name, "/dev/shm/outlast-test-%d", getpid());
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0) skip("no /dev/shm: %s", strerror(errno));
    MUST(unlink(name));
    int nameless = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
    MUST(ftruncate(fd, 65536));
    char *at = MUST(mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    fill(at, 32768, 1);
    if (nameless >= 0) MUST(write(nameless, "content", 7));
    ready();
    wait_go();
    CHECK_FILL("content", at, 32768, 1);
    SAME("written", pwrite(fd, "xyz", 3, 40000), 3);
    HOLDS(!memcmp(at + 40000, "xyz", 3), "%.3s", at + 40000);
    char text[8] = "";
    if (nameless >= 0) SAME("read", pread(nameless, text, 8, 0), 7);
    pass();
}
