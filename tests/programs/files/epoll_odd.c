// epoll with a descriptor that was dupped and closed, one number used for two files, and a set shared with a child. [files tree hard]
#include "outlast_test.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

int main(void) {
    int epoll = MUST(epoll_create1(0)), first = MUST(eventfd(0, EFD_NONBLOCK));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1}, found[4];
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, first, &event));
    // Registered under a number that now is another file; the registered one lives on under another number.
    int kept = MUST(dup(first)), second = MUST(eventfd(0, EFD_NONBLOCK));
    MUST(dup2(second, first));
    event.data.u64 = 2;
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, first, &event));
    pid_t kid = child();
    if (!kid) {
        wait_go();
        uint64_t one = 1;
        MUST(write(kept, &one, 8));
        done();
    }
    ready();
    wait_go();
    ended_well(kid);
    SAME("ready", MUST(epoll_wait(epoll, found, 4, 0)), 1);
    SAME("data", found[0].data.u64, 1);
    uint64_t one = 1;
    MUST(write(second, &one, 8));
    SAME("ready", MUST(epoll_wait(epoll, found, 4, 0)), 2);
    pass();
}
