// Pipes of which one end is closed everywhere: the rest is read and then the end; writing is refused. [files signals]
#include "outlast_test.h"

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    int no_writer[2], no_reader[2], empty[2];
    MUST(pipe(no_writer));
    MUST(pipe(no_reader));
    MUST(pipe(empty));
    MUST(write(no_writer[1], "rest", 4));
    MUST(write(no_reader[1], "lost", 4));
    close(no_writer[1]);
    close(no_reader[0]);
    close(empty[1]);
    ready();
    wait_go();
    char text[16];
    SAME("rest", MUST(read(no_writer[0], text, sizeof text)), 4);
    HOLDS(!memcmp(text, "rest", 4), "%.4s", text);
    SAME("end", MUST(read(no_writer[0], text, sizeof text)), 0);
    SAME("end of the empty one", MUST(read(empty[0], text, sizeof text)), 0);
    FAILS(write(no_reader[1], "x", 1), EPIPE);
    pass();
}
