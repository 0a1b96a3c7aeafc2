// A group other than the leader's is in the foreground: it gets what is typed, the signals of control characters, and of a change of size.
#include "outlast_test.h"
#include "terminal.h"

static volatile sig_atomic_t interrupts, sizes;
static void on_interrupt(int number) { interrupts += number == SIGINT; }
static void on_size(int number) { sizes += number == SIGWINCH; }

static void job(struct pty *pty) {
    MUST(setpgid(0, 0));
    UNTIL(tcgetpgrp(0) == getpgrp());
    signal(SIGINT, on_interrupt);
    signal(SIGWINCH, on_size);
    create_("job");
    READS(pty->slave, "typed\n");
    SAME("foreground", MUST(tcgetpgrp(0)), getpgrp());
    create_("read");
    UNTIL(interrupts == 1);
    UNTIL(sizes == 1);
    done();
}

int main(void) {
    struct pty pty = new_master();
    MUST(unlockpt(pty.master));
    pid_t leader = session(&pty);
    if (!leader) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTTOU, SIG_IGN);
        pid_t made = child();
        if (!made) job(&pty);
        UNTIL(getpgid(made) == made);
        MUST(tcsetpgrp(0, made));
        ended_well(made);
        done();
    }
    UNTIL(exists("job"));
    ready();
    wait_go();
    HOLDS(tcgetpgrp(pty.master) > leader, "foreground %d", tcgetpgrp(pty.master));
    MUST(write(pty.master, "typed\n", 6));
    UNTIL(exists("read"));
    MUST(write(pty.master, "\3", 1));
    struct winsize size = {10, 20, 0, 0};
    MUST(ioctl(pty.master, TIOCSWINSZ, &size));
    ended_well(leader);
    pass();
}
