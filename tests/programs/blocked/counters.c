// Threads that read an empty eventfd, write to a full one, read a timerfd and a signalfd. [threads files]
#include "outlast_test.h"
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int empty, full, timer, signals;

static void read_empty(void) {
    uint64_t value;
    SAME("read", read(empty, &value, 8), 8);
    SAME("value", value, 3);
}

static void write_full(void) {
    uint64_t value = 5;
    SAME("written", write(full, &value, 8), 8);
}

static void read_timer(void) {
    uint64_t value;
    SAME("read", read(timer, &value, 8), 8);
    HOLDS(value == 1, "%llu", (unsigned long long)value);
}

static void read_signal(void) {
    struct signalfd_siginfo info;
    SAME("read", read(signals, &info, sizeof info), sizeof info);
    SAME("signal", info.ssi_signo, SIGUSR1);
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    MUST0(pthread_sigmask(SIG_BLOCK, &set, NULL));
    empty = MUST(eventfd(0, 0));
    full = MUST(eventfd(0, 0));
    timer = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
    signals = MUST(signalfd(-1, &set, 0));
    uint64_t value = UINT64_MAX - 1;
    MUST(write(full, &value, 8));
    struct itimerspec far = {{0, 0}, {100000, 0}}, near = {{0, 0}, {0, 1}};
    MUST(timerfd_settime(timer, 0, &far, NULL));
    struct blocked *all[] = {block_in(SYS_read, read_empty), block_in(SYS_write, write_full),
                             block_in(SYS_read, read_timer), block_in(SYS_read, read_signal)};
    ready();
    wait_go();
    for (int i = 0; i < 4; i++) still_blocked(all[i]);
    value = 3;
    MUST(write(empty, &value, 8));
    MUST(read(full, &value, 8));
    SAME("value of the full one", value, UINT64_MAX - 1);
    MUST(timerfd_settime(timer, 0, &near, NULL));
    MUST(kill(getpid(), SIGUSR1));
    for (int i = 0; i < 4; i++) unblocked(all[i]);
    MUST(read(full, &value, 8));
    SAME("written to the full one", value, 5);
    pass();
}
