// Waits with short timeouts end with "timed out", none of them early. [threads time slow]
#include "outlast_test.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>

#define WAIT_MS 700

static int ends[2], epoll;
static int word;
static atomic_int in_time;

static void check(long long start) {
    long long took = now_ns(CLOCK_MONOTONIC) - start;
    // The kernel counts some of these in ticks.
    HOLDS(took >= (WAIT_MS - 15) * MS, "%lld ms", took / MS);
    in_time++;
}

static void polling(void) {
    long long start = now_ns(CLOCK_MONOTONIC);
    struct pollfd one = {ends[0], POLLIN, 0};
    SAME("poll", poll(&one, 1, WAIT_MS), 0);
    check(start);
}

static void waiting(void) {
    long long start = now_ns(CLOCK_MONOTONIC);
    struct epoll_event event;
    SAME("epoll_wait", MUST(epoll_wait(epoll, &event, 1, WAIT_MS)), 0);
    check(start);
}

static void selecting(void) {
    long long start = now_ns(CLOCK_MONOTONIC);
    struct timeval time = {0, WAIT_MS * 1000};
    SAME("select", MUST(select(0, NULL, NULL, NULL, &time)), 0);
    check(start);
}

static void futex(void) {
    long long start = now_ns(CLOCK_MONOTONIC);
    struct timespec time = {0, WAIT_MS * MS};
    FAILS(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &time, NULL, 0), ETIMEDOUT);
    check(start);
}

static void signals(void) {
    long long start = now_ns(CLOCK_MONOTONIC);
    struct timespec time = {0, WAIT_MS * MS};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    FAILS(sigtimedwait(&set, NULL, &time), EAGAIN);
    check(start);
}

int main(void) {
    MUST(pipe(ends));
    epoll = MUST(epoll_create1(0));
    void (*bodies[])(void) = {polling, waiting, selecting, futex, signals};
    long calls[] = {SYS_poll, SYS_epoll_wait, SYS_select, SYS_futex, SYS_rt_sigtimedwait};
    struct blocked *all[5];
    for (int i = 0; i < 5; i++) all[i] = block_in(i == 2 ? SYS_pselect6 : calls[i], bodies[i]);
    ready();
    wait_go();
    for (int i = 0; i < 5; i++) unblocked(all[i]);
    SAME("in time", in_time, 5);
    pass();
}
