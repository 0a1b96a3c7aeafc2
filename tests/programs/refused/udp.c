// A UDP socket isn't carried. [refused:socket]
#include "outlast_test.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

int main(void) {
    int fd = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    MUST(bind(fd, (void *)&at, sizeof at));
    ready();
    wait_go();
    socklen_t length = sizeof at;
    MUST(getsockname(fd, (void *)&at, &length));
    HOLDS(at.sin_port, "no port");
    pass();
}
