// A program that has unmapped its vdso: it makes system calls by itself only. [hard same-pids]
#include "outlast_test.h"

int main(void) {
    static char maps[65536];
    read_file("/proc/self/maps", maps, sizeof maps);
    for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long start, end;
        if (!strstr(line, "[vdso]") && !strstr(line, "[vvar")) continue;
        if (sscanf(line, "%lx-%lx", &start, &end) == 2 && munmap((void *)start, end - start) < 0)
            skip("the vdso can't be unmapped: %s", strerror(errno));
    }
    ready();
    wait_go();
    struct timespec time;
    MUST(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time));
    pass();
}
