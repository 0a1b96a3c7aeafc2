// Which memory a core dump would have. [same-pids]
#include "outlast_test.h"

int main(void) {
    char text[16];
    write_file("/proc/self/coredump_filter", "0x5", 3);
    ready();
    wait_go();
    read_file("/proc/self/coredump_filter", text, sizeof text);
    SAME("filter", strtol(text, NULL, 16), 5);
    pass();
}
