// A thread waits for what a terminal shows, in read of its master, and another in poll.
#include "outlast_test.h"
#include "terminal.h"

static struct pty pty;

static void reading(void) { READS(pty.master, "late\r\n"); }

int main(void) {
    pty = new_pty();
    struct pty polled = new_pty();
    pid_t made = child();
    if (!made) {
        close(polled.slave);
        struct pollfd one = {polled.master, POLLIN, 0};
        SAME("polled", MUST(poll(&one, 1, -1)), 1);
        READS(polled.master, "seen");
        done();
    }
    struct blocked *blocked = block_in(SYS_read, reading);
    until_in_call(made, SYS_poll);
    ready();
    wait_go();
    MUST(write(pty.slave, "late\n", 5));
    MUST(write(polled.slave, "seen", 4));
    ended_well(made);
    unblocked(blocked);
    pass();
}
