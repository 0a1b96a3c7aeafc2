// A program that has overwritten its arguments, and moved where they are said to be, shows the new ones. [same-pids]
#include "outlast_test.h"
#include <linux/prctl.h>

int main(int argc, char **argv) {
    (void)argc;
    size_t room = strlen(argv[0]);
    HOLDS(room >= 5, "%zu bytes", room);
    memset(argv[0], 0, room);
    memcpy(argv[0], "title", 5);
    static char before[4096], after[4096];
    size_t length = read_file("/proc/self/cmdline", before, sizeof before);
    ready();
    wait_go();
    SAME("length", read_file("/proc/self/cmdline", after, sizeof after), length);
    HOLDS(!memcmp(before, after, length) && !memcmp(after, "title", 5), "%s", after);
    pass();
}
