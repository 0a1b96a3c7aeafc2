// Unix sockets: names, and messages that come or don't.
#ifndef UNIX_SOCKET_H
#define UNIX_SOCKET_H

#include "outlast_test.h"
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

// An address: a path, or, beginning with '@', an abstract name.
struct address {
    struct sockaddr_un at;
    socklen_t length;
};

static UNUSED struct address address_of(const char *name) {
    struct address made = {.at.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(made.at.sun_path, name, length);
    if (name[0] == '@') made.at.sun_path[0] = 0;
    made.length = offsetof(struct sockaddr_un, sun_path) + length + (name[0] != '@');
    return made;
}

// An abstract name that nobody else has: this process's.
static UNUSED const char *abstract_name(const char *what) {
    static char names[4][64];
    static unsigned next;
    char *name = names[next++ % 4];
    snprintf(name, sizeof names[0], "@outlast-test-%s-%d-%lld", what, getpid(), now_ns(CLOCK_REALTIME));
    return name;
}

static UNUSED int bound(int type, const char *name) {
    int fd = MUST(socket(AF_UNIX, type, 0));
    struct address address = address_of(name);
    MUST(bind(fd, (struct sockaddr *)&address.at, address.length));
    return fd;
}

static UNUSED int listener(int type, const char *name, int backlog) {
    int fd = bound(type, name);
    MUST(listen(fd, backlog));
    return fd;
}

static UNUSED void connect_to(int fd, const char *name) {
    struct address address = address_of(name);
    MUST(connect(fd, (struct sockaddr *)&address.at, address.length));
}

static UNUSED int connected(int type, const char *name) {
    int fd = MUST(socket(AF_UNIX, type, 0));
    connect_to(fd, name);
    return fd;
}

static UNUSED void send_to(int fd, const char *name, const char *text) {
    struct address address = address_of(name);
    size_t length = strlen(text);
    SAME("sent", MUST(sendto(fd, text, length, 0, (struct sockaddr *)&address.at, address.length)), length);
}

// The next message, of a stream what is there up to `most` bytes, is this text.
#define RECEIVES(fd, text, most)                                                                                       \
    do {                                                                                                               \
        char got_[256] = "";                                                                                           \
        ssize_t length_ = MUST(recv(fd, got_, most, MSG_DONTWAIT));                                                    \
        if (length_ != (ssize_t)strlen(text) || memcmp(got_, text, strlen(text)))                                      \
            fail("%s:%d: expected to receive `%s`, found %zd bytes: `%.*s`", __FILE_NAME__, __LINE__, text, length_,   \
                 (int)length_, got_);                                                                                  \
    } while (0)

#define NOTHING(fd) FAILS(recv(fd, (char[1]){0}, 1, MSG_DONTWAIT), EAGAIN)

static UNUSED void same_name_(const char *where, int line, struct sockaddr_un *found, socklen_t length, const char *name) {
    struct address expected = name ? address_of(name) : (struct address){.length = sizeof(sa_family_t)};
    if (length != expected.length || memcmp(found->sun_path, expected.at.sun_path, length - sizeof(sa_family_t)))
        fail("%s:%d: expected the name `%s`, found %d bytes: `%s`", where, line, name ? name : "", (int)length,
             found->sun_path[0] ? found->sun_path : found->sun_path + 1);
}

// A socket's own name, and the one of its other end; NULL: none.
#define NAMED(fd, name)                                                                                                \
    do {                                                                                                               \
        struct sockaddr_un found_ = {0};                                                                               \
        socklen_t length_ = sizeof found_;                                                                             \
        MUST(getsockname(fd, (struct sockaddr *)&found_, &length_));                                                   \
        same_name_(__FILE_NAME__, __LINE__, &found_, length_, name);                                                   \
    } while (0)
#define PEER_NAMED(fd, name)                                                                                           \
    do {                                                                                                               \
        struct sockaddr_un found_ = {0};                                                                               \
        socklen_t length_ = sizeof found_;                                                                             \
        MUST(getpeername(fd, (struct sockaddr *)&found_, &length_));                                                   \
        same_name_(__FILE_NAME__, __LINE__, &found_, length_, name);                                                   \
    } while (0)

static UNUSED int option(int fd, int name) {
    int value = 0;
    socklen_t length = sizeof value;
    MUST(getsockopt(fd, SOL_SOCKET, name, &value, &length));
    return value;
}

static UNUSED void set_option(int fd, int name, int value) {
    MUST(setsockopt(fd, SOL_SOCKET, name, &value, sizeof value));
}

static UNUSED int events(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    MUST(poll(&one, 1, 0));
    return one.revents;
}

// Sends text with descriptors.
static UNUSED void pass_on(int fd, const char *text, int count, const int *passed) {
    char space[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec part = {(void *)text, strlen(text)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(head), passed, count * sizeof(int));
    SAME("sent", MUST(sendmsg(fd, &message, 0)), strlen(text));
}

// Receives up to `most` bytes: how many descriptors came with them.
static UNUSED int take(int fd, char *text, size_t most, int *passed) {
    char space[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec part = {text, most};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    text[MUST(recvmsg(fd, &message, MSG_DONTWAIT))] = 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_type != SCM_RIGHTS) return 0;
    memcpy(passed, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
    return (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

#endif
