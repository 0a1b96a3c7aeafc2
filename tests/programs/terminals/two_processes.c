// A terminal's ends in two processes, which wait for each other in read; the slave is opened twice.
#include "outlast_test.h"
#include "terminal.h"

int main(void) {
    struct pty pty = new_pty();
    pid_t made = child();
    if (!made) {
        close(pty.master);
        int again = MUST(open(pty.name, O_RDWR | O_NOCTTY));
        READS(pty.slave, "question\n");
        MUST(write(again, "answer\n", 7));
        READS(again, "end\n");
        done();
    }
    close(pty.slave);
    until_in_call(made, SYS_read);
    ready();
    wait_go();
    MUST(write(pty.master, "question\n", 9));
    char text[64] = "";
    for (long got = 0; got < 18;) got += MUST(read(pty.master, text + got, sizeof text - 1 - got));
    HOLDS(!strcmp(text, "question\r\nanswer\r\n"), "%s", text);
    MUST(write(pty.master, "end\n", 4));
    ended_well(made);
    READS(pty.master, "end\r\n");
    char byte;
    FAILS(read(pty.master, &byte, 1), EIO);
    pass();
}
