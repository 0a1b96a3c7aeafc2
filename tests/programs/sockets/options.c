// Options: buffers, timeouts, low water, credentials, time stamps, the offset of peeking. [files]
#include "unix_socket.h"

int main(void) {
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    set_option(pair[0], SO_SNDBUF, 30000);
    set_option(pair[0], SO_RCVBUF, 20000);
    set_option(pair[0], SO_RCVLOWAT, 3);
    set_option(pair[0], SO_PASSCRED, 1);
    set_option(pair[0], SO_TIMESTAMP, 1);
    set_option(pair[0], SO_PRIORITY, 4);
    set_option(pair[1], SO_PEEK_OFF, 2);
    struct timeval receive = {3, 252000}, send = {7, 500000}, found;
    MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof receive));
    MUST(setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &send, sizeof send));
    MUST(write(pair[0], "0123456789", 10));
    int sndbuf = option(pair[0], SO_SNDBUF), rcvbuf = option(pair[0], SO_RCVBUF), other = option(pair[1], SO_SNDBUF);
    ready();
    wait_go();
    SAME("SO_SNDBUF", option(pair[0], SO_SNDBUF), sndbuf);
    SAME("SO_RCVBUF", option(pair[0], SO_RCVBUF), rcvbuf);
    SAME("the other's SO_SNDBUF", option(pair[1], SO_SNDBUF), other);
    SAME("SO_RCVLOWAT", option(pair[0], SO_RCVLOWAT), 3);
    SAME("SO_PASSCRED", option(pair[0], SO_PASSCRED), 1);
    SAME("the other's SO_PASSCRED", option(pair[1], SO_PASSCRED), 0);
    SAME("SO_TIMESTAMP", option(pair[0], SO_TIMESTAMP), 1);
    SAME("SO_PRIORITY", option(pair[0], SO_PRIORITY), 4);
    SAME("SO_PEEK_OFF", option(pair[1], SO_PEEK_OFF), 2);
    socklen_t length = sizeof found;
    MUST(getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &found, &length));
    SAME("SO_RCVTIMEO", found.tv_sec * 1000000 + found.tv_usec, 3252000);
    MUST(getsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &found, &length));
    SAME("SO_SNDTIMEO", found.tv_sec * 1000000 + found.tv_usec, 7500000);
    char text[16];
    SAME("peeked from there", MUST(recv(pair[1], text, 3, MSG_PEEK)), 3);
    HOLDS(!memcmp(text, "234", 3), "%.3s", text);
    SAME("and on", option(pair[1], SO_PEEK_OFF), 5);
    RECEIVES(pair[1], "0123456789", 100);
    NAMED(pair[0], NULL);
    pass();
}
