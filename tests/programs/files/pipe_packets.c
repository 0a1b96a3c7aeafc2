// A pipe of packets (O_DIRECT): each is read as one, with those before in a usual pipe's manner. [files]
#include "outlast_test.h"

int main(void) {
    int ends[2];
    MUST(pipe2(ends, O_DIRECT | O_NONBLOCK));
    MUST(write(ends[1], "one", 3));
    MUST(write(ends[1], "three", 5));
    MUST(write(ends[1], "x", 1));
    ready();
    wait_go();
    SAME("flags", fcntl(ends[1], F_GETFL) & (O_DIRECT | O_NONBLOCK), O_DIRECT | O_NONBLOCK);
    char text[16];
    SAME("first", MUST(read(ends[0], text, sizeof text)), 3);
    SAME("second, in part", MUST(read(ends[0], text, 2)), 2);
    SAME("third", MUST(read(ends[0], text, sizeof text)), 1);
    SAME("its content", text[0], 'x');
    FAILS(read(ends[0], text, 1), EAGAIN);
    pass();
}
