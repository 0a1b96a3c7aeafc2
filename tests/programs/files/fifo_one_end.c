// FIFOs of which only readers, or only writers, are left. [files signals]
#include "outlast_test.h"

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    MUST(mkfifo("read", 0600));
    MUST(mkfifo("written", 0600));
    int reader = MUST(open("read", O_RDONLY | O_NONBLOCK)), writer = MUST(open("read", O_WRONLY));
    MUST(write(writer, "rest", 4));
    close(writer);
    reader = MUST(dup(reader));
    int other = MUST(open("written", O_RDONLY | O_NONBLOCK));
    writer = MUST(open("written", O_WRONLY));
    close(other);
    ready();
    wait_go();
    char text[8];
    SAME("rest", MUST(read(reader, text, 8)), 4);
    SAME("end", MUST(read(reader, text, 8)), 0);
    FAILS(write(writer, "x", 1), EPIPE);
    // They go on as FIFOs.
    other = MUST(open("written", O_RDONLY));
    MUST(write(writer, "new", 3));
    SAME("read", MUST(read(other, text, 8)), 3);
    pass();
}
