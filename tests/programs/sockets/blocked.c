// Threads wait in recv, accept, poll, epoll_wait, and in writes to a stream and to datagrams that are full. [files threads]
#include "unix_socket.h"
#include <sys/epoll.h>

static int stream[2], listening, polled[2], watched[2], epoll, full[2], posts[2];
static long filled, posted;

static void receiver(void) {
    char text[8];
    SAME("received", recv(stream[0], text, sizeof text, 0), 5);
    HOLDS(!memcmp(text, "hello", 5), "%.5s", text);
}

static void acceptor(void) {
    int fd = accept(listening, NULL, NULL);
    HOLDS(fd >= 0, "%s", strerror(errno));
    MUST(write(fd, "welcome", 7));
}

static void poller(void) {
    struct pollfd one = {.fd = polled[0], .events = POLLIN};
    SAME("polled", poll(&one, 1, -1), 1);
    SAME("events", one.revents, POLLIN);
}

static void waiter(void) {
    struct epoll_event event;
    int count = epoll_wait(epoll, &event, 1, -1);
    HOLDS(count == 1 && event.data.u64 == 77, "%d %s", count, strerror(errno));
}

static void writer(void) { SAME("written", write(full[0], "0123456789", 10), 10); }

static void poster(void) { SAME("sent", send(posts[0], "last", 4, 0), 4); }

int main(void) {
    static char block[1000];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, polled));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, watched));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, full));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, posts));
    MUST(chdir(in_folder("")));
    listening = listener(SOCK_STREAM, "listening", 3);
    epoll = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 77};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, watched[0], &event));
    // Small pieces take far more of the kernel's memory than they have bytes.
    for (ssize_t part; (part = send(full[0], block, 100, MSG_DONTWAIT)) > 0;) filled += part;
    while (send(posts[0], block, sizeof block, MSG_DONTWAIT) > 0) posted++;
    struct blocked *all[] = {block_in(SYS_recvfrom, receiver), block_in(SYS_accept, acceptor), block_in(SYS_poll, poller),
                             block_in(SYS_epoll_wait, waiter),  block_in(SYS_write, writer),    block_in(SYS_sendto, poster)};
    ready();
    wait_go();
    for (int i = 0; i < 6; i++) still_blocked(all[i]);
    MUST(write(stream[1], "hello", 5));
    int client = connected(SOCK_STREAM, "listening");
    char text[16];
    SAME("welcome", MUST(read(client, text, sizeof text)), 7);
    MUST(write(polled[1], "x", 1));
    MUST(write(watched[1], "x", 1));
    for (long got = 0; got < filled;) got += MUST(read(full[1], block, filled - got < 1000 ? filled - got : 1000));
    for (; posted > 0; posted--) SAME("posted", MUST(recv(posts[1], block, sizeof block, 0)), sizeof block);
    for (int i = 0; i < 6; i++) unblocked(all[i]);
    RECEIVES(full[1], "0123456789", 100);
    RECEIVES(posts[1], "last", 100);
    pass();
}
