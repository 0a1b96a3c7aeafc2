// The executable was deleted since: the program is a copy of itself that is gone. [hard]
#include "outlast_test.h"

int main(int argc, char **argv) {
    (void)argc;
    if (strcmp(argv[0], "gone")) {
        static char content[1 << 21];
        int fd = MUST(open("/proc/self/exe", O_RDONLY));
        ssize_t size = MUST(read(fd, content, sizeof content));
        HOLDS(size < (ssize_t)sizeof content, "%zd bytes", size);
        close(fd);
        write_file("copy", content, size);
        MUST(chmod("copy", 0700));
        execl(in_folder("copy"), "gone", (char *)NULL);
        fail("execl: %s", strerror(errno));
    }
    MUST(unlink("copy"));
    ready();
    wait_go();
    // A page of code that wasn't touched yet, perhaps.
    qsort(argv, 1, sizeof *argv, (int (*)(const void *, const void *))strcmp);
    pass();
}
