// Pairs of each type, both ends here: what waits in either direction, with its boundaries. [files]
#include "unix_socket.h"

int main(void) {
    int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}, pairs[3][2];
    for (int i = 0; i < 3; i++) {
        MUST(socketpair(AF_UNIX, types[i] | (i == 1 ? SOCK_NONBLOCK : 0), 0, pairs[i]));
        MUST(write(pairs[i][0], "one", 3));
        MUST(write(pairs[i][0], "three", 5));
        MUST(write(pairs[i][1], "back", 4));
    }
    ready();
    wait_go();
    for (int i = 0; i < 3; i++) {
        int *pair = pairs[i];
        SAME("type", option(pair[0], SO_TYPE), types[i]);
        SAME("not waiting", fcntl(pair[1], F_GETFL) & O_NONBLOCK, i == 1 ? O_NONBLOCK : 0);
        NAMED(pair[0], NULL);
        PEER_NAMED(pair[0], NULL);
        RECEIVES(pair[1], i ? "one" : "onethree", 100);
        if (i) RECEIVES(pair[1], "thr", 3);
        NOTHING(pair[1]);
        RECEIVES(pair[0], "back", 100);
        NOTHING(pair[0]);
        MUST(write(pair[1], "again", 5));
        RECEIVES(pair[0], "again", 100);
        SAME("events", events(pair[0]), POLLOUT);
        MUST(close(pair[1]));
        if (i == 1) FAILS(send(pair[0], "x", 1, 0), ECONNREFUSED);
        else FAILS(send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    }
    pass();
}
