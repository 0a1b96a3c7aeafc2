// Members of a session that took no part in its controlling terminal, and a leader that has closed all of it.
#include "outlast_test.h"
#include "terminal.h"

int main(void) {
    struct pty pty = new_pty();
    pid_t leader = child();
    if (!leader) {
        close(pty.master);
        MUST(setsid());
        pid_t early = child();
        if (!early) {
            close(pty.slave);
            create_("early");
            wait_go();
            FAILS(open("/dev/tty", O_RDWR | O_NOCTTY), ENXIO);
            done();
        }
        UNTIL(exists("early"));
        MUST(ioctl(pty.slave, TIOCSCTTY, 0));
        pid_t late = child();
        close(pty.slave);
        if (!late) {
            create_("late");
            wait_go();
            int tty = MUST(open("/dev/tty", O_RDWR | O_NOCTTY));
            MUST(write(tty, "late\n", 5));
            done();
        }
        UNTIL(exists("late"));
        create_("leader");
        wait_go();
        ended_well(early);
        ended_well(late);
        UNTIL(exists("asked"));
        done();
    }
    close(pty.slave);
    UNTIL(exists("leader"));
    ready();
    wait_go();
    SAME("session", MUST(tcgetsid(pty.master)), leader);
    create_("asked");
    ended_well(leader);
    READS(pty.master, "late\r\n");
    pass();
}
