// One listens, by path and by abstract name; connections wait to be accepted, in their order; the backlog. [files]
#include "unix_socket.h"

int main(void) {
    int types[] = {SOCK_STREAM, SOCK_SEQPACKET}, listeners[2], clients[2][3], later[2];
    const char *names[] = {"here", abstract_name("listening")};
    char kept[64];
    strcpy(kept, names[1]);
    names[1] = kept;
    MUST(chdir(in_folder("")));
    for (int i = 0; i < 2; i++) {
        listeners[i] = listener(types[i], names[i], 2);
        for (int n = 0; n < 3; n++) clients[i][n] = connected(types[i], names[i]);
        MUST(shutdown(clients[i][2], SHUT_WR));
        later[i] = MUST(socket(AF_UNIX, types[i] | SOCK_NONBLOCK, 0));
        struct address address = address_of(names[i]);
        FAILS(connect(later[i], (struct sockaddr *)&address.at, address.length), EAGAIN);
    }
    MUST(chmod("here", 0640));
    ready();
    wait_go();
    struct stat st;
    MUST(stat("here", &st));
    SAME("mode", st.st_mode, S_IFSOCK | 0640);
    for (int i = 0; i < 2; i++) {
        struct address address = address_of(names[i]);
        NAMED(listeners[i], names[i]);
        SAME("listens", option(listeners[i], SO_ACCEPTCONN), 1);
        SAME("events", events(listeners[i]), POLLIN);
        PEER_NAMED(clients[i][0], names[i]);
        MUST(write(clients[i][0], "before", 6));
        FAILS(connect(later[i], (struct sockaddr *)&address.at, address.length), EAGAIN);
        for (int n = 0; n < 3; n++) {
            int fd = MUST(accept(listeners[i], NULL, NULL));
            NAMED(fd, names[i]);
            PEER_NAMED(fd, NULL);
            if (n == 0) RECEIVES(fd, "before", 100);
            char text[2] = {'a' + n, 0};
            MUST(write(fd, text, 1));
            RECEIVES(clients[i][n], text, 100);
            if (n == 2) RECEIVES(fd, "", 100);
            else NOTHING(fd);
        }
        connect_to(later[i], names[i]);
        MUST(close(MUST(accept(listeners[i], NULL, NULL))));
    }
    pass();
}
