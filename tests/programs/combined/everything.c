// Threads, pipes, timers, signals and a child at the same time, all at work. [threads tree time signals files]
#include "outlast_test.h"
#include <sys/epoll.h>
#include <sys/timerfd.h>

static int to_child[2], from_child[2], epoll;
static atomic_bool stop;
static atomic_long asked, ticks, alarms, locked[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void on_alarm(int number) {
    (void)number;
    alarms++;
}

static void *asking(void *argument) {
    for (uint64_t count = 1; !stop; count++, asked++) {
        uint64_t answer;
        SAME("written", write(to_child[1], &count, 8), 8);
        SAME("read", read(from_child[0], &answer, 8), 8);
        SAME("answer", answer, word_at(count, 5));
    }
    return argument;
}

static void *ticking(void *argument) {
    while (!stop) {
        struct epoll_event event;
        int count = epoll_wait(epoll, &event, 1, 1000);
        HOLDS(count == 1 || count == 0, "%d (%s)", count, strerror(errno));
        uint64_t passed;
        if (count == 1 && read(event.data.fd, &passed, 8) == 8) ticks += passed;
    }
    return argument;
}

static void *locking(void *argument) {
    static long shared;
    while (!stop) {
        MUST0(pthread_mutex_lock(&mutex));
        long before = ++shared;
        for (volatile int i = 0; i < 100; i++) {}
        SAME("alone", shared, before);
        MUST0(pthread_mutex_unlock(&mutex));
        locked[(long)argument]++;
    }
    return argument;
}

int main(void) {
    MUST(pipe(to_child));
    MUST(pipe(from_child));
    pid_t kid = child();
    if (!kid) {
        close(to_child[1]);
        uint64_t number;
        while (MUST(read(to_child[0], &number, 8)) == 8) {
            number = word_at(number, 5);
            SAME("written", MUST(write(from_child[1], &number, 8)), 8);
        }
        done();
    }
    close(to_child[0]);
    close(from_child[1]);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    MUST(sigaction(SIGUSR1, &action, NULL));
    int timer = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    struct itimerspec often = {{0, 5 * MS}, {0, 5 * MS}};
    MUST(timerfd_settime(timer, 0, &often, NULL));
    epoll = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = timer};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event));
    // The threads leave the signal to this one.
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    MUST0(pthread_sigmask(SIG_BLOCK, &set, NULL));
    pthread_t threads[] = {thread(asking, NULL), thread(ticking, NULL), thread(locking, NULL),
                           thread(locking, (void *)1)};
    MUST0(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
    struct sigevent by = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t id;
    MUST(timer_create(CLOCK_MONOTONIC, &by, &id));
    MUST(timer_settime(id, 0, &often, NULL));
    UNTIL(asked > 10 && ticks > 2 && alarms > 2 && locked[0] > 10 && locked[1] > 10);
    ready();
    wait_go();
    long before[] = {asked, ticks, alarms, locked[0], locked[1]};
    UNTIL(asked > before[0] + 10 && ticks > before[1] + 2 && alarms > before[2] + 2 && locked[0] > before[3] + 10 &&
          locked[1] > before[4] + 10);
    stop = true;
    for (int i = 0; i < 4; i++) MUST0(pthread_join(threads[i], NULL));
    close(to_child[1]);
    ended_well(kid);
    pass();
}
