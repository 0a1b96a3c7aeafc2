// Files of /proc that are open: of the process itself, and of the system. [files same-pids hard]
#include "outlast_test.h"

int main(void) {
    int status = MUST(open("/proc/self/status", O_RDONLY)), uptime = MUST(open("/proc/uptime", O_RDONLY)),
        fds = MUST(open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
    char text[4096] = "", wanted[64];
    ready();
    wait_go();
    MUST(pread(status, text, sizeof text - 1, 0));
    snprintf(wanted, sizeof wanted, "\nPid:\t%d\n", getpid());
    HOLDS(strstr(text, wanted), "%s", text);
    HOLDS(read(uptime, text, sizeof text) > 5, "nothing read");
    MUST(faccessat(fds, "1", F_OK, AT_SYMLINK_NOFOLLOW));
    pass();
}
