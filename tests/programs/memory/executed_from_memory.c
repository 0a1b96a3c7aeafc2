// The executable is a memory file that no name leads to. [hard]
#include "outlast_test.h"

int main(int argc, char **argv) {
    (void)argc;
    if (strcmp(argv[0], "in memory")) {
        static char content[1 << 21];
        int from = MUST(open("/proc/self/exe", O_RDONLY)), to = MUST(memfd_create("program", MFD_CLOEXEC));
        ssize_t size = MUST(read(from, content, sizeof content));
        SAME("written", write(to, content, size), size);
        char *words[] = {"in memory", NULL}, *none[] = {NULL};
        MUST(fexecve(to, words, none));
    }
    ready();
    wait_go();
    pass();
}
