// Urgent bytes wait in a unix socket. [refused:urgent]
#include "unix_socket.h"

int main(void) {
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    if (send(pair[0], "!", 1, MSG_OOB) < 0) skip("the kernel knows no urgent bytes of unix sockets: %s", strerror(errno));
    ready();
    wait_go();
    char text;
    SAME("received", MUST(recv(pair[1], &text, 1, MSG_OOB)), 1);
    pass();
}
