// Packet mode, exclusive mode, and a slave that is locked.
#include "outlast_test.h"
#include "terminal.h"

int main(void) {
    struct pty pty = new_pty(), locked = new_pty(), never = new_master(), unlocked = new_master();
    int on = 1, off = 0;
    MUST(ioctl(pty.master, TIOCPKT, &on));
    MUST(write(pty.slave, "shown\n", 6));
    MUST(write(pty.master, "typed\n", 6));
    MUST(ioctl(pty.slave, TIOCEXCL));
    MUST(write(locked.master, "t", 1));
    MUST(ioctl(locked.master, TIOCSPTLCK, &on));
    MUST(ioctl(unlocked.master, TIOCSPTLCK, &off));
    UNTIL(waiting(pty.slave) == 6);
    ready();
    wait_go();
    MUST(ioctl(pty.master, TIOCGPKT, &on));
    SAME("packets", on, 1);
    char text[32] = "";
    SAME("packet", MUST(read(pty.master, text, sizeof text)), 15);
    HOLDS(!memcmp(text, "\0shown\r\ntyped\r\n", 15), "another packet, beginning with %d", text[0]);
    READS(pty.slave, "typed\n");
    MUST(tcflush(pty.slave, TCIFLUSH));
    SAME("a change", MUST(read(pty.master, text, sizeof text)), 1);
    SAME("which", text[0], TIOCPKT_FLUSHREAD);
    MUST(ioctl(pty.slave, TIOCGEXCL, &on));
    SAME("exclusive", on, 1);
    MUST(ioctl(locked.master, TIOCGPTLCK, &on));
    SAME("locked", on, 1);
    MUST(write(locked.master, "o\n", 2));
    READS(locked.slave, "to\n");
    // Nobody had these open: their masters don't read a hang-up.
    MUST(ioctl(unlocked.master, TIOCGPTLCK, &on));
    SAME("unlocked", on, 0);
    struct pollfd one[] = {{never.master, POLLIN, 0}, {unlocked.master, POLLIN, 0}};
    SAME("no hang-up", poll(one, 2, 0), 0);
    same_names(&unlocked);
    int slave = MUST(open(unlocked.name, O_RDWR | O_NOCTTY));
    MUST(write(slave, "a", 1));
    READS(unlocked.master, "a");
    // An open that is refused leaves a slave in disorder: so these come last.
    FAILS(open(locked.name, O_RDWR | O_NOCTTY), EIO);
    FAILS(open(never.name, O_RDWR | O_NOCTTY), EIO);
    pass();
}
