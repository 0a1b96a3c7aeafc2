// A descriptor, and the last end of a connection, that are only within a socket, on their way. [files]
#include "unix_socket.h"

int main(void) {
    int pair[2], other[2], got[8], fd = MUST(open("data", O_RDWR | O_CREAT, 0600));
    char text[8];
    MUST(write(fd, "content", 7));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, other));
    MUST(write(other[0], "waits", 5));
    pass_on(pair[0], "x", 2, (int[]){fd, other[1]});
    MUST(close(fd));
    MUST(close(other[1]));
    ready();
    wait_go();
    SAME("passed", take(pair[1], text, 4, got), 2);
    SAME("offset", lseek(got[0], 0, SEEK_CUR), 7);
    RECEIVES(got[1], "waits", 10);
    MUST(write(other[0], "more", 4));
    RECEIVES(got[1], "more", 10);
    pass();
}
