// Both ends of a pseudo-terminal in one process, in line mode: what waits in each direction, lines that aren't finished, settings, size.
#include "outlast_test.h"
#include "terminal.h"

int main(void) {
    struct pty pty = new_pty();
    int again = MUST(open(pty.name, O_RDONLY | O_NOCTTY | O_NONBLOCK));
    struct termios settings, found;
    MUST(tcgetattr(pty.slave, &settings));
    settings.c_lflag &= ~ECHO;
    settings.c_cc[VINTR] = 7;
    cfsetspeed(&settings, B9600);
    MUST(tcsetattr(pty.slave, TCSANOW, &settings));
    struct winsize size = {33, 77, 5, 6};
    MUST(ioctl(pty.master, TIOCSWINSZ, &size));
    MUST(fchmod(pty.slave, 0640));
    MUST(write(pty.master, "one\ntwo\n\4half", 13));
    MUST(write(pty.slave, "shown\n", 6));
    UNTIL(waiting(pty.slave) == 8);
    ready();
    wait_go();
    MUST(tcgetattr(again, &found));
    HOLDS(!memcmp(&settings, &found, sizeof found), "other settings");
    MUST(ioctl(pty.slave, TIOCGWINSZ, &size));
    HOLDS(size.ws_row == 33 && size.ws_col == 77 && size.ws_xpixel == 5 && size.ws_ypixel == 6, "another size");
    same_names(&pty);
    struct stat st;
    MUST(stat(pty.name, &st));
    SAME("mode", st.st_mode & 07777, 0640);
    SAME("flags of the second slave", MUST(fcntl(again, F_GETFL)) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
    READS(pty.master, "shown\r\n");
    READS(pty.slave, "one\n");
    READS(again, "two\n");
    READS(pty.slave, "");
    FAILS(read(again, &st, 1), EAGAIN);
    MUST(write(pty.master, "\177F\n", 3));
    READS(pty.slave, "halF\n");
    close(pty.slave);
    close(again);
    char byte;
    FAILS(read(pty.master, &byte, 1), EIO);
    pass();
}
