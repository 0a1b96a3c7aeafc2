// epoll of every kind of descriptor, three deep, each with something pending; exclusive and priority flags. [files signals time]
#include "outlast_test.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

int main(void) {
    enum { PIPE, WRITABLE, COUNTER, TIMER, SIGNAL, FIFO, NESTED, QUIET, KINDS };
    int fds[KINDS], ends[2], full[2], epoll = MUST(epoll_create1(0)), inner = MUST(epoll_create1(0)),
        innermost = MUST(epoll_create1(0));
    MUST(pipe(ends));
    MUST(write(ends[1], "x", 1));
    MUST(pipe(full));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    MUST(kill(getpid(), SIGUSR1));
    MUST(mkfifo("fifo", 0600));
    fds[PIPE] = ends[0];
    fds[WRITABLE] = full[1];
    fds[COUNTER] = MUST(eventfd(1, 0));
    fds[TIMER] = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    fds[SIGNAL] = MUST(signalfd(-1, &set, SFD_NONBLOCK));
    fds[FIFO] = MUST(open("fifo", O_RDWR | O_NONBLOCK));
    MUST(write(fds[FIFO], "x", 1));
    fds[NESTED] = inner;
    fds[QUIET] = MUST(inotify_init1(IN_NONBLOCK));
    struct itimerspec once = {{0, 0}, {0, 1}};
    MUST(timerfd_settime(fds[TIMER], 0, &once, NULL));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 1};
    MUST(epoll_ctl(innermost, EPOLL_CTL_ADD, fds[COUNTER], &event));
    MUST(epoll_ctl(inner, EPOLL_CTL_ADD, innermost, &event));
    for (int i = 0; i < KINDS; i++) {
        event.events = i == WRITABLE ? EPOLLOUT : i == PIPE ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN | EPOLLPRI | EPOLLRDHUP;
        event.data.u64 = 0x100000000 + i;
        MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event));
    }
    ready();
    wait_go();
    struct epoll_event found[16];
    int count = MUST(epoll_wait(epoll, found, 16, 1000));
    unsigned seen = 0;
    for (int i = 0; i < count; i++) {
        SAME("data", found[i].data.u64 >> 32, 1);
        int kind = found[i].data.u64 & 15;
        seen |= 1 << kind;
        SAME("events", found[i].events, kind == WRITABLE ? EPOLLOUT : EPOLLIN);
    }
    SAME("all but the quiet one", seen, (1 << QUIET) - 1);
    // An exclusive one can't be changed: that it is exclusive was kept.
    event.events = EPOLLIN;
    FAILS(epoll_ctl(epoll, EPOLL_CTL_MOD, fds[PIPE], &event), EINVAL);
    pass();
}
