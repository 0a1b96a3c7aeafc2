// Accepted connections have the name of who listened: who still does, no longer does, or is gone with its file. [files]
#include "unix_socket.h"

int main(void) {
    const char *names[] = {in_folder("path"), "relative", abstract_name("held"), abstract_name("closed"),
                           in_folder("removed")};
    int listeners[5], clients[5], servers[5];
    char kept[5][PATH_MAX];
    MUST(chdir(in_folder("")));
    for (int i = 0; i < 5; i++) {
        strcpy(kept[i], names[i]);
        listeners[i] = listener(SOCK_STREAM, kept[i], 5);
        clients[i] = connected(SOCK_STREAM, kept[i]);
        servers[i] = MUST(accept(listeners[i], NULL, NULL));
        MUST(write(clients[i], "ask", 3));
        MUST(write(servers[i], "tell", 4));
    }
    MUST(close(listeners[3]));
    MUST(close(listeners[4]));
    MUST(unlink(kept[4]));
    // A client that is bound, too, and one whose server is gone.
    int named = bound(SOCK_STREAM, "client"), left = connected(SOCK_STREAM, kept[0]);
    MUST(close(MUST(accept(listeners[0], NULL, NULL))));
    connect_to(named, kept[1]);
    int its = MUST(accept(listeners[1], NULL, NULL));
    ready();
    wait_go();
    for (int i = 0; i < 5; i++) {
        NAMED(servers[i], kept[i]);
        PEER_NAMED(clients[i], kept[i]);
        NAMED(clients[i], NULL);
        PEER_NAMED(servers[i], NULL);
        RECEIVES(servers[i], "ask", 100);
        RECEIVES(clients[i], "tell", 100);
        MUST(write(servers[i], "more", 4));
        RECEIVES(clients[i], "more", 100);
        if (i > 2) continue;
        int client = connected(SOCK_STREAM, kept[i]), server = MUST(accept(listeners[i], NULL, NULL));
        MUST(write(client, "new", 3));
        RECEIVES(server, "new", 100);
    }
    NAMED(named, "client");
    PEER_NAMED(its, "client");
    PEER_NAMED(named, kept[1]);
    PEER_NAMED(left, kept[0]);
    RECEIVES(left, "", 1);
    HOLDS(!exists("removed"), "the file that was removed");
    close(bound(SOCK_STREAM, kept[3]));
    pass();
}
