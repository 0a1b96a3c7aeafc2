// A pair of unix sockets isn't carried yet. [refused:socket]
#include "outlast_test.h"
#include <sys/socket.h>

int main(void) {
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(write(pair[0], "hello", 5));
    ready();
    wait_go();
    char text[8];
    SAME("received", MUST(read(pair[1], text, sizeof text)), 5);
    pass();
}
