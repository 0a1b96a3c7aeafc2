// A terminal's master has not read yet that something was flushed (packet mode). [refused:packet]
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
    int on = 1;
    MUST(ioctl(master, TIOCPKT, &on));
    MUST(tcflush(slave, TCIFLUSH));
    ready();
    wait_go();
    char text[8];
    SAME("a change", MUST(read(master, text, sizeof text)), 1);
    SAME("which", text[0], TIOCPKT_FLUSHREAD);
    pass();
}
