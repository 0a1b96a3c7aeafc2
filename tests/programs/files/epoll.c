// epoll: data, level, edge that was and wasn't taken, one shot that was, nested, a full set of descriptors. [files]
#include "outlast_test.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void add(int epoll, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int main(void) {
    enum { LEVEL, EDGE_TAKEN, EDGE_NEW, SHOT, SILENT, COUNT };
    int outer = MUST(epoll_create1(EPOLL_CLOEXEC)), inner = MUST(epoll_create1(0)), fds[COUNT];
    uint32_t events[COUNT] = {EPOLLIN, EPOLLIN | EPOLLET, EPOLLIN | EPOLLET, EPOLLIN | EPOLLONESHOT, EPOLLIN | EPOLLRDHUP};
    for (int i = 0; i < COUNT; i++) {
        fds[i] = MUST(eventfd(0, EFD_NONBLOCK));
        add(inner, fds[i], events[i], 0xabcdef0000000000u + i);
    }
    add(outer, inner, EPOLLIN | EPOLLET, 99);
    uint64_t one = 1;
    struct epoll_event found[8];
    MUST(write(fds[EDGE_TAKEN], &one, 8));
    MUST(write(fds[SHOT], &one, 8));
    SAME("taken", MUST(epoll_wait(inner, found, 8, 0)), 2);
    MUST(write(fds[LEVEL], &one, 8));
    MUST(write(fds[EDGE_NEW], &one, 8));
    ready();
    wait_go();
    SAME("close on exec", fcntl(outer, F_GETFD), FD_CLOEXEC);
    SAME("outer", MUST(epoll_wait(outer, found, 8, 0)), 1);
    SAME("outer's data", found[0].data.u64, 99);
    int count = MUST(epoll_wait(inner, found, 8, 0)), seen = 0;
    for (int i = 0; i < count; i++) {
        HOLDS(found[i].data.u64 >> 40 == 0xabcdef, "data %#llx", (unsigned long long)found[i].data.u64);
        seen |= 1 << (found[i].data.u64 & 15);
    }
    // An edge that was taken before may be reported once more: nothing but the file's readiness tells. A one-shot may not.
    SAME("level and new edge", seen & (1 << LEVEL | 1 << EDGE_NEW), 1 << LEVEL | 1 << EDGE_NEW);
    SAME("one shot that was taken", seen & 1 << SHOT, 0);
    SAME("silent", seen & 1 << SILENT, 0);
    SAME("level again", MUST(epoll_wait(inner, found, 8, 0)), 1);
    SAME("level's data", found[0].data.u64 & 15, LEVEL);
    // The one-shot is armed again, and the others work.
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 5};
    MUST(epoll_ctl(inner, EPOLL_CTL_MOD, fds[SHOT], &event));
    MUST(write(fds[SILENT], &one, 8));
    MUST(write(fds[EDGE_TAKEN], &one, 8));
    count = MUST(epoll_wait(inner, found, 8, 0));
    SAME("ready now", count, 4);
    FAILS(epoll_ctl(inner, EPOLL_CTL_ADD, fds[0], &event), EEXIST);
    MUST(epoll_ctl(inner, EPOLL_CTL_DEL, fds[0], NULL));
    pass();
}
