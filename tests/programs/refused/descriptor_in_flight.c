// A descriptor that is only within a socket, on its way. [refused:socket]
#include "outlast_test.h"
#include <sys/socket.h>

int main(void) {
    int pair[2], fd = MUST(open("data", O_RDWR | O_CREAT, 0600));
    MUST(write(fd, "content", 7));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    char space[CMSG_SPACE(sizeof fd)] = {0}, text[4] = "x";
    struct iovec part = {text, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    MUST(sendmsg(pair[0], &message, 0));
    close(fd);
    ready();
    wait_go();
    MUST(recvmsg(pair[1], &message, 0));
    head = CMSG_FIRSTHDR(&message);
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    SAME("offset", lseek(fd, 0, SEEK_CUR), 7);
    pass();
}
