// A pseudo terminal isn't carried, neither of its ends. [refused:pty]
#include "outlast_test.h"

int main(void) {
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0) skip("no pseudo terminals: %s", strerror(errno));
    MUST(grantpt(master));
    MUST(unlockpt(master));
    char name[64];
    MUST0(ptsname_r(master, name, sizeof name));
    int slave = MUST(open(name, O_RDWR | O_NOCTTY));
    ready();
    wait_go();
    MUST(write(master, "line\n", 5));
    char text[16];
    SAME("line", MUST(read(slave, text, sizeof text)), 5);
    pass();
}
