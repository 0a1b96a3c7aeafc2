// Which mappings there are, with protections, offsets and files, is the same; but for those that the kernel makes. [same-pids files]
#include "outlast_test.h"

// All lines of the maps, but for vdso and its data, and what the C library may add meanwhile.
static size_t maps(char *to, size_t size) {
    static char all[65536];
    read_file("/proc/self/maps", all, sizeof all);
    size_t length = 0;
    for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
        if (strstr(line, "[v")) continue;
        length += snprintf(to + length, size - length, "%s\n", line);
    }
    return length;
}

int main(void) {
    static char before[65536], after[65536];
    write_file("data", "0123456789", 10);
    int fd = MUST(open("data", O_RDWR));
    char *at = MUST(mmap(NULL, 40 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(mprotect(at + 4096, 4096, PROT_READ));
    MUST(mprotect(at + 3 * 4096, 4096, PROT_READ | PROT_EXEC));
    MUST(munmap(at + 5 * 4096, 4096));
    MUST(mmap(at + 10 * 4096, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0));
    MUST(mmap(at + 12 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 4096));
    // A stack that is deep already: it doesn't grow in between.
    volatile char deep[65536];
    deep[0] = deep[65535] = 1;
    maps(before, sizeof before);
    maps(before, sizeof before);
    SAME("deep", deep[0], 1);
    ready();
    wait_go();
    maps(after, sizeof after);
    for (char *a = before, *b = after; *a || *b; a++, b++)
        if (*a != *b) {
            while (a > before && a[-1] != '\n') a--, b--;
            char *a_end = strchr(a, '\n'), *b_end = strchr(b, '\n');
            fail("expected `%.*s`, found `%.*s`", a_end ? (int)(a_end - a) : 0, a, b_end ? (int)(b_end - b) : 0, b);
        }
    pass();
}
