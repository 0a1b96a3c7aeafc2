// Datagrams of several senders wait; sockets that are connected one way, or to one that is gone. [files]
#include "unix_socket.h"

static void from(int fd, const char *text, const char *name) {
    char got[64] = "";
    struct sockaddr_un sender = {0};
    socklen_t length = sizeof sender;
    ssize_t bytes = MUST(recvfrom(fd, got, sizeof got, MSG_DONTWAIT, (struct sockaddr *)&sender, &length));
    HOLDS(bytes == (ssize_t)strlen(text) && !memcmp(got, text, bytes), "%zd bytes: %.*s", bytes, (int)bytes, got);
    if (!name) SAME("no name", length, 0);
    else same_name_(__FILE_NAME__, __LINE__, &sender, length, name);
}

int main(void) {
    char abstract[64], gone[64];
    strcpy(abstract, abstract_name("datagrams"));
    strcpy(gone, abstract_name("gone"));
    MUST(chdir(in_folder("")));
    int path = bound(SOCK_DGRAM, "path"), other = bound(SOCK_DGRAM, abstract), nameless = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)),
        left = bound(SOCK_DGRAM, gone);
    send_to(nameless, "path", "nameless");
    send_to(other, "path", "abstract");
    send_to(left, "path", "gone");
    send_to(other, "path", "again");
    send_to(path, abstract, "to the other");
    int oneway = connected(SOCK_DGRAM, "path"), lost = connected(SOCK_DGRAM, gone);
    MUST(close(left));
    // Each connected to the other.
    int mutual = bound(SOCK_DGRAM, "mutual"), its = bound(SOCK_DGRAM, "its");
    connect_to(mutual, "its");
    connect_to(its, "mutual");
    MUST(write(mutual, "mutual", 6));
    // One of a pair turns to another.
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    MUST(write(pair[1], "first", 5));
    connect_to(pair[1], "path");
    ready();
    wait_go();
    NAMED(path, "path");
    from(path, "nameless", NULL);
    from(path, "abstract", abstract);
    from(path, "gone", gone);
    from(path, "again", abstract);
    NOTHING(path);
    from(other, "to the other", "path");
    PEER_NAMED(oneway, "path");
    MUST(write(oneway, "one way", 7));
    from(path, "one way", NULL);
    FAILS(send(lost, "x", 1, 0), ECONNREFUSED);
    from(its, "mutual", "mutual");
    MUST(write(its, "back", 4));
    from(mutual, "back", "its");
    from(pair[0], "first", NULL);
    MUST(write(pair[1], "elsewhere", 9));
    from(path, "elsewhere", NULL);
    FAILS(recv(pair[0], abstract, 1, MSG_DONTWAIT), EAGAIN);
    send_to(nameless, "path", "still");
    from(path, "still", NULL);
    pass();
}
