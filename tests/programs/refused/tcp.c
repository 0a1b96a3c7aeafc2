// A TCP connection isn't carried yet. [refused:socket]
#include "outlast_test.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(void) {
    int listener = MUST(socket(AF_INET, SOCK_STREAM, 0)), client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    MUST(bind(listener, (void *)&at, sizeof at));
    MUST(getsockname(listener, (void *)&at, &length));
    MUST(listen(listener, 1));
    MUST(connect(client, (void *)&at, sizeof at));
    int server = MUST(accept(listener, NULL, NULL));
    MUST(write(client, "hello", 5));
    ready();
    wait_go();
    char text[8];
    SAME("received", MUST(read(server, text, sizeof text)), 5);
    pass();
}
