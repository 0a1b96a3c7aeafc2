// A terminal that somebody outside of the tree holds, as the controlling one: settings, foreground group, both directions. [hard refused:pty tree]
#include "outlast_test.h"
#include <sys/ioctl.h>
#include <termios.h>

int main(void) {
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0) skip("no pseudo terminals: %s", strerror(errno));
    MUST(unlockpt(master));
    char name[64];
    MUST0(ptsname_r(master, name, sizeof name));
    pid_t root = getpid(), middle = child();
    if (!middle) {
        if (!child()) {
            // Not of the tree, nor of its session: whoever sits before the terminal.
            MUST(setsid());
            UNTIL(getppid() != root && kill(getppid(), 0) == 0);
            create_("outside");
            UNTIL(exists("go"));
            char text[64];
            long length = MUST(read(master, text, sizeof text));
            HOLDS(length >= 5 && !memcmp(text, "hello", 5), "%ld bytes", length);
            MUST(write(master, "answer\n", 7));
            UNTIL(exists("answered"));
            done();
        }
        done();
    }
    ended_well(middle);
    UNTIL(exists("outside"));
    close(master);
    int slave = MUST(open(name, O_RDWR | O_NOCTTY));
    MUST(ioctl(slave, TIOCSCTTY, 0));
    struct termios settings, found;
    MUST(tcgetattr(slave, &settings));
    settings.c_lflag &= ~ECHO;
    settings.c_cc[VINTR] = 7;
    MUST(tcsetattr(slave, TCSANOW, &settings));
    struct winsize size = {33, 77, 0, 0};
    MUST(ioctl(slave, TIOCSWINSZ, &size));
    ready();
    wait_go();
    MUST(tcgetattr(slave, &found));
    HOLDS(!(found.c_lflag & ECHO) && found.c_cc[VINTR] == 7, "other settings");
    MUST(ioctl(slave, TIOCGWINSZ, &size));
    SAME("columns", size.ws_col, 77);
    SAME("foreground group", tcgetpgrp(slave), getpgrp());
    MUST(write(slave, "hello\n", 6));
    char text[64];
    SAME("answer", MUST(read(slave, text, sizeof text)), 7);
    create_("answered");
    signal(SIGHUP, SIG_IGN);
    pass();
}
