// A pseudo-terminal in raw mode: bytes of all kinds wait in both directions, also fewer than a read asks for at least.
#include "outlast_test.h"
#include "terminal.h"

int main(void) {
    struct pty pty = new_pty(), few = new_pty();
    set_raw(pty.slave);
    set_raw(few.slave);
    struct termios settings;
    MUST(tcgetattr(few.slave, &settings));
    settings.c_cc[VMIN] = 9;
    MUST(tcsetattr(few.slave, TCSANOW, &settings));
    unsigned char all[256], found[6000];
    for (int i = 0; i < 256; i++) all[i] = i;
    for (int i = 0; i < 10; i++) MUST(write(pty.master, all, sizeof all));
    for (int i = 0; i < 20; i++) MUST(write(pty.slave, all, sizeof all));
    MUST(write(few.master, "few", 3));
    UNTIL(waiting(pty.slave) == 2560);
    UNTIL(waiting(few.slave) == 3);
    ready();
    wait_go();
    same_names(&pty);
    same_names(&few);
    SAME("waiting", waiting(pty.slave), 2560);
    SAME("read at once", MUST(read(pty.slave, found, sizeof found)), 2560);
    for (int i = 0; i < 2560; i++) SAME("byte", found[i], i % 256);
    long got = 0;
    while (got < 5120) got += MUST(read(pty.master, found + got, sizeof found - got));
    SAME("bytes of the master", got, 5120);
    for (int i = 0; i < 5120; i++) SAME("byte", found[i], i % 256);
    struct pollfd one[] = {{few.slave, POLLIN, 0}, {pty.slave, POLLIN, 0}, {pty.master, POLLIN, 0}};
    SAME("nothing to read", poll(one, 3, 0), 0);
    MUST(write(few.master, "others", 6));
    READS(few.slave, "fewothers");
    pass();
}
