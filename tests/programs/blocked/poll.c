// Threads in poll, ppoll, select and pselect, with and without timeouts. [threads files]
#include "outlast_test.h"
#include <poll.h>
#include <sys/select.h>

static int ends[2];

static void forever(void) {
    struct pollfd one = {ends[0], POLLIN, 0};
    SAME("poll", syscall(SYS_poll, &one, 1, -1), 1);
    SAME("events", one.revents, POLLIN);
}

static void long_timeout(void) {
    struct pollfd one = {ends[0], POLLIN, 0};
    SAME("poll", syscall(SYS_poll, &one, 1, 100000000), 1);
}

static void ppolling(void) {
    struct pollfd one = {ends[0], POLLIN, 0};
    struct timespec time = {100000, 0};
    sigset_t mask;
    sigfillset(&mask);
    SAME("ppoll", ppoll(&one, 1, &time, &mask), 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    HOLDS(!sigismember(&mask, SIGUSR1), "the mask of the call");
}

static void selecting(void) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval time = {100000, 0};
    SAME("select", syscall(SYS_select, ends[0] + 1, &set, NULL, NULL, &time), 1);
    HOLDS(FD_ISSET(ends[0], &set), "another descriptor");
    HOLDS(time.tv_sec <= 100000 && time.tv_sec > 0, "%ld s remain", (long)time.tv_sec);
}

static void pselecting(void) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    sigset_t mask;
    sigfillset(&mask);
    SAME("pselect", pselect(ends[0] + 1, &set, NULL, NULL, NULL, &mask), 1);
}

int main(void) {
    MUST(pipe(ends));
    struct blocked *all[] = {block_in(SYS_poll, forever), block_in(SYS_poll, long_timeout),
                             block_in(SYS_ppoll, ppolling), block_in(SYS_select, selecting),
                             block_in(SYS_pselect6, pselecting)};
    ready();
    wait_go();
    for (int i = 0; i < 5; i++) still_blocked(all[i]);
    MUST(write(ends[1], "x", 1));
    for (int i = 0; i < 5; i++) unblocked(all[i]);
    pass();
}
