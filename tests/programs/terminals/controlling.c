// A session with a controlling terminal of the tree: its leader waits in the foreground, a group is stopped as it read in the background (SIGTTIN), another wrote (SIGTTOU).
#include "outlast_test.h"
#include "terminal.h"

static void shell(struct pty *pty) {
    struct termios settings;
    MUST(tcgetattr(pty->slave, &settings));
    settings.c_lflag |= TOSTOP;
    MUST(tcsetattr(pty->slave, TCSANOW, &settings));
    pid_t reads = child();
    if (!reads) {
        MUST(setpgid(0, 0));
        READS(pty->slave, "for the child\n");
        done();
    }
    until_state(reads, 'T');
    pid_t writes = child();
    if (!writes) {
        MUST(setpgid(0, 0));
        MUST(write(pty->slave, "from the child\n", 15));
        done();
    }
    until_state(writes, 'T');
    int tty = MUST(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
    create_("shell");
    READS(0, "go on\n");
    SAME("session", MUST(tcgetsid(pty->slave)), getpid());
    SAME("session by /dev/tty", MUST(tcgetsid(tty)), getpid());
    SAME("foreground", MUST(tcgetpgrp(tty)), getpgrp());
    int status;
    SAME("stopped", MUST(waitpid(reads, &status, WUNTRACED)), reads);
    HOLDS(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN, "status %#x", status);
    SAME("stopped", MUST(waitpid(writes, &status, WUNTRACED)), writes);
    HOLDS(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU, "status %#x", status);
    signal(SIGTTOU, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        pid_t next = i ? writes : reads;
        MUST(tcsetpgrp(0, next));
        MUST(kill(-next, SIGCONT));
        ended_well(next);
    }
    MUST(tcsetpgrp(0, getpgrp()));
    close(MUST(open("/dev/tty", O_RDWR)));
    MUST(write(tty, "done\n", 5));
    READS(0, "end\n");
    done();
}

static void shown(int master, const char *text) {
    char found[256] = "";
    for (size_t got = 0; got < strlen(text);) got += MUST(read(master, found + got, strlen(text) - got));
    HOLDS(!strcmp(found, text), "%s", found);
}

int main(void) {
    struct pty pty = new_pty();
    pid_t leader = session(&pty);
    if (!leader) shell(&pty);
    UNTIL(exists("shell"));
    ready();
    wait_go();
    SAME("no terminal of its own", open("/dev/tty", O_RDWR), -1);
    SAME("session", MUST(tcgetsid(pty.master)), leader);
    SAME("foreground", MUST(tcgetpgrp(pty.master)), leader);
    MUST(write(pty.master, "go on\n", 6));
    shown(pty.master, "go on\r\n");
    MUST(write(pty.master, "for the child\n", 14));
    shown(pty.master, "for the child\r\nfrom the child\r\ndone\r\n");
    MUST(write(pty.master, "end\n", 4));
    ended_well(leader);
    pass();
}
