// A terminal of the tree whose output was stopped (^S). [refused:output]
#include "outlast_test.h"
#include <sys/ioctl.h>
#include <termios.h>

int main(void) {
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0) skip("no pseudo terminals: %s", strerror(errno));
    MUST(unlockpt(master));
    char name[64];
    MUST0(ptsname_r(master, name, sizeof name));
    int slave = MUST(open(name, O_RDWR | O_NOCTTY));
    MUST(write(slave, "before\n", 7));
    MUST(tcflow(slave, TCOOFF));
    ready();
    wait_go();
    MUST(tcflow(slave, TCOON));
    MUST(write(slave, "after\n", 6));
    char text[64];
    for (long got = 0; got < 15;) got += MUST(read(master, text + got, 15 - got));
    HOLDS(!memcmp(text, "before\r\nafter\r\n", 15), "other text");
    pass();
}
