// Loops of short waits with strict results: none ends with EINTR, none with a wrong count. [threads]
#include "outlast_test.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>

static int ends[2], epoll, word;
static atomic_bool stop;
static atomic_int rounds[6];

static void *epolls(void *argument) {
    struct epoll_event event;
    for (; !stop; rounds[0]++) SAME("epoll_wait", MUST(epoll_wait(epoll, &event, 1, 3)), 0);
    return argument;
}

static void *polls(void *argument) {
    struct pollfd one = {ends[0], POLLIN, 0};
    for (; !stop; rounds[1]++) SAME("poll", MUST(poll(&one, 1, 3)), 0);
    return argument;
}

static void *futexes(void *argument) {
    struct timespec time = {0, 3 * MS};
    for (; !stop; rounds[2]++) FAILS(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &time, NULL, 0), ETIMEDOUT);
    return argument;
}

static void *naps(void *argument) {
    struct timespec time = {0, 3 * MS};
    for (; !stop; rounds[3]++) MUST(nanosleep(&time, NULL));
    return argument;
}

static void *waits(void *argument) {
    struct timespec time = {0, 3 * MS};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    for (; !stop; rounds[4]++) FAILS(sigtimedwait(&set, NULL, &time), EAGAIN);
    return argument;
}

static void *selects(void *argument) {
    for (; !stop; rounds[5]++) {
        struct timeval time = {0, 3000};
        SAME("select", MUST(select(0, NULL, NULL, NULL, &time)), 0);
    }
    return argument;
}

int main(void) {
    MUST(pipe(ends));
    epoll = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
    void *(*runs[])(void *) = {epolls, polls, futexes, naps, waits, selects};
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) threads[i] = thread(runs[i], NULL);
    for (int i = 0; i < 6; i++) UNTIL(rounds[i] > 3);
    ready();
    wait_go();
    int before[6];
    for (int i = 0; i < 6; i++) before[i] = rounds[i];
    for (int i = 0; i < 6; i++) UNTIL(rounds[i] > before[i] + 3);
    stop = true;
    for (int i = 0; i < 6; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
