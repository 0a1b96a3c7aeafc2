// A netlink socket isn't carried. [refused:socket]
#include "outlast_test.h"
#include <linux/netlink.h>
#include <sys/socket.h>

int main(void) {
    int fd = MUST(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    ready();
    wait_go();
    struct sockaddr_nl at = {.nl_family = AF_NETLINK};
    MUST(bind(fd, (void *)&at, sizeof at));
    pass();
}
