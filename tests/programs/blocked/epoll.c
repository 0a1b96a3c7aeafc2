// Threads in epoll_wait, epoll_pwait and epoll_pwait2 don't see EINTR, however often they are stopped. [threads files]
#include "outlast_test.h"
#include <sys/epoll.h>

static int epoll, ends[2];

static void check(long count, struct epoll_event *event) {
    HOLDS(count == 1, "%ld (%s)", count, strerror(errno));
    SAME("events", event->events, EPOLLIN);
    SAME("data", event->data.u64, 0x1122334455667788);
}

static void forever(void) {
    struct epoll_event event;
    check(syscall(SYS_epoll_wait, epoll, &event, 1, -1), &event);
}

static void with_mask(void) {
    struct epoll_event event;
    sigset_t mask;
    sigfillset(&mask);
    check(epoll_pwait(epoll, &event, 1, 100000000, &mask), &event);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    HOLDS(!sigismember(&mask, SIGUSR1), "the mask of the call");
}

static void fine(void) {
    struct epoll_event event;
    struct timespec time = {100000, 0};
    check(syscall(SYS_epoll_pwait2, epoll, &event, 1, &time, NULL, 0), &event);
}

int main(void) {
    MUST(pipe(ends));
    epoll = MUST(epoll_create1(EPOLL_CLOEXEC));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x1122334455667788};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
    struct blocked *all[] = {block_in(SYS_epoll_wait, forever), block_in(SYS_epoll_pwait, with_mask),
                             block_in(SYS_epoll_pwait2, fine)};
    ready();
    wait_go();
    for (int i = 0; i < 3; i++) still_blocked(all[i]);
    MUST(write(ends[1], "x", 1));
    for (int i = 0; i < 3; i++) unblocked(all[i]);
    pass();
}
