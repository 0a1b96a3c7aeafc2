// A slave whose master was closed reads its end; a master whose slave was closed reads what is left, and then a hang-up.
#include "outlast_test.h"
#include "terminal.h"

int main(void) {
    struct pty pty = new_pty(), left = new_pty();
    MUST(write(left.slave, "last\n", 5));
    MUST(write(left.master, "unread", 6));
    UNTIL(waiting(left.master) == 12);
    close(left.slave);
    left.slave = -1;
    close(pty.master);
    ready();
    wait_go();
    char byte;
    SAME("end of file", MUST(read(pty.slave, &byte, 1)), 0);
    FAILS(write(pty.slave, &byte, 1), EIO);
    FAILS(tcgetpgrp(pty.slave), EIO);
    struct pollfd one = {left.master, POLLIN, 0};
    SAME("hang-up", poll(&one, 1, 0), 1);
    SAME("events", one.revents, POLLIN | POLLHUP);
    same_names(&left);
    READS(left.master, "last\r\nunread");
    FAILS(read(left.master, &byte, 1), EIO);
    int slave = MUST(open(left.name, O_RDWR | O_NOCTTY));
    MUST(write(left.master, "\n", 1));
    READS(slave, "unread\n");
    pass();
}
