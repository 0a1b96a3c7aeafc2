// A connection that nobody has accepted yet has something in it, which can't be looked at. [refused:accepted]
#include "unix_socket.h"

int main(void) {
    MUST(chdir(in_folder("")));
    int listening = listener(SOCK_STREAM, "name", 3), client = connected(SOCK_STREAM, "name");
    MUST(write(client, "early", 5));
    ready();
    wait_go();
    RECEIVES(MUST(accept(listening, NULL, NULL)), "early", 10);
    pass();
}
