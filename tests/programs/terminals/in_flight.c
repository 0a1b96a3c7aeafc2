// A slave that is nowhere open but on its way, in a socket.
#include "outlast_test.h"
#include "terminal.h"
#include <sys/socket.h>

int main(void) {
    struct pty pty = new_pty();
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    char byte = 'x', room[CMSG_SPACE(sizeof(int))] = "";
    struct iovec bytes = {&byte, 1};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *passed = CMSG_FIRSTHDR(&message);
    passed->cmsg_level = SOL_SOCKET;
    passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(passed), &pty.slave, sizeof(int));
    SAME("sent", MUST(sendmsg(pair[0], &message, 0)), 1);
    close(pty.slave);
    MUST(write(pty.master, "typed\n", 6));
    ready();
    wait_go();
    struct pollfd one = {pty.master, POLLHUP, 0};
    SAME("no hang-up", poll(&one, 1, 0), 0);
    message.msg_controllen = sizeof room;
    SAME("received", MUST(recvmsg(pair[1], &message, 0)), 1);
    passed = CMSG_FIRSTHDR(&message);
    HOLDS(passed && passed->cmsg_type == SCM_RIGHTS, "no descriptor");
    memcpy(&pty.slave, CMSG_DATA(passed), sizeof(int));
    same_names(&pty);
    READS(pty.slave, "typed\n");
    READS(pty.master, "typed\r\n");
    pass();
}
