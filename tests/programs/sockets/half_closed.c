// Directions that are shut, ends that are closed, with what was sent before; a connection that was reset. [files]
#include "unix_socket.h"

int main(void) {
    int types[] = {SOCK_STREAM, SOCK_SEQPACKET}, writes[2][2], reads[2][2], closed[2][2], reset[2][2], none[2][2];
    for (int i = 0; i < 2; i++) {
        MUST(socketpair(AF_UNIX, types[i], 0, writes[i]));
        MUST(socketpair(AF_UNIX, types[i], 0, reads[i]));
        MUST(socketpair(AF_UNIX, types[i], 0, closed[i]));
        MUST(socketpair(AF_UNIX, types[i], 0, reset[i]));
        MUST(socketpair(AF_UNIX, types[i], 0, none[i]));
        MUST(write(writes[i][0], "last", 4));
        MUST(shutdown(writes[i][0], SHUT_WR));
        MUST(write(reads[i][1], "kept", 4));
        MUST(shutdown(reads[i][0], SHUT_RD));
        MUST(write(closed[i][1], "will", 4));
        MUST(close(closed[i][1]));
        MUST(write(reset[i][0], "unread", 6));
        MUST(close(reset[i][1]));
        MUST(close(none[i][1]));
    }
    ready();
    wait_go();
    for (int i = 0; i < 2; i++) {
        FAILS(send(writes[i][0], "x", 1, MSG_NOSIGNAL), EPIPE);
        SAME("events of who reads", events(writes[i][1]) & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
        RECEIVES(writes[i][1], "last", 100);
        RECEIVES(writes[i][1], "", 100);
        MUST(write(writes[i][1], "other way", 9));
        RECEIVES(writes[i][0], "other way", 100);
        RECEIVES(reads[i][0], "kept", 100);
        RECEIVES(reads[i][0], "", 100);
        FAILS(send(reads[i][1], "x", 1, MSG_NOSIGNAL), EPIPE);
        MUST(write(reads[i][0], "out", 3));
        RECEIVES(reads[i][1], "out", 100);
        SAME("events of one left", events(closed[i][0]) & POLLHUP, POLLHUP);
        RECEIVES(closed[i][0], "will", 100);
        RECEIVES(closed[i][0], "", 100);
        SAME("events of one reset", events(reset[i][0]) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
        FAILS(recv(reset[i][0], (char[1]){0}, 1, 0), ECONNRESET);
        RECEIVES(reset[i][0], "", 100);
        RECEIVES(none[i][0], "", 100);
        FAILS(send(none[i][0], "x", 1, MSG_NOSIGNAL), EPIPE);
    }
    pass();
}
