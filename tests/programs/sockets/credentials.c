// Who has sent what waits, told with it; who is at the other end: user and group. [files tree root]
#include "unix_socket.h"

static void told(int fd, const char *text, pid_t pid, uid_t uid) {
    char space[CMSG_SPACE(sizeof(struct ucred))] = {0}, got[64] = "";
    struct iovec part = {got, sizeof got};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    MUST(recvmsg(fd, &message, MSG_DONTWAIT));
    HOLDS(!strcmp(got, text), "%s", got);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    HOLDS(head && head->cmsg_type == SCM_CREDENTIALS, "no credentials");
    struct ucred who;
    memcpy(&who, CMSG_DATA(head), sizeof who);
    SAME("process", who.pid, pid);
    SAME("user", who.uid, uid);
    SAME("group", who.gid, uid);
}

static uid_t peer(int fd) {
    struct ucred who;
    socklen_t length = sizeof who;
    MUST(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length));
    return who.uid;
}

int main(void) {
    if (geteuid()) skip("other users need root");
    int stream[2], datagrams[2];
    MUST(chdir(in_folder("")));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams));
    set_option(stream[1], SO_PASSCRED, 1);
    set_option(datagrams[1], SO_PASSCRED, 1);
    char name[64];
    strcpy(name, abstract_name("credentials"));
    int listening = listener(SOCK_STREAM, name, 3);
    MUST(write(stream[0], "root's ", 7));
    pid_t kid = child();
    if (!kid) {
        MUST(setresgid(4321, 4321, 4321));
        MUST(setresuid(4321, 4321, 4321));
        MUST(write(stream[0], "the user's", 10));
        MUST(write(datagrams[0], "a datagram", 10));
        int fd = connected(SOCK_STREAM, name), waits = connected(SOCK_STREAM, name);
        create_("made");
        wait_go();
        SAME("who listens", peer(fd), 0);
        SAME("who listened", peer(waits), 0);
        done();
    }
    int server = MUST(accept(listening, NULL, NULL));
    MUST(chmod(in_folder(""), 0777));
    UNTIL(exists("made"));
    ready();
    wait_go();
    told(stream[1], "root's ", getpid(), 0);
    told(stream[1], "the user's", kid, 4321);
    told(datagrams[1], "a datagram", kid, 4321);
    SAME("who is connected", peer(server), 4321);
    int waited = MUST(accept(listening, NULL, NULL));
    SAME("who waited", peer(waited), 4321);
    SAME("of a pair", peer(stream[0]), 0);
    ended_well(kid);
    pass();
}
