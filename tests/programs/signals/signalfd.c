// A signalfd with its mask, with signals pending that it will read. [signals files]
#include "outlast_test.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>

int main(void) {
    sigset_t set, other;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 7);
    sigemptyset(&other);
    sigaddset(&other, SIGHUP);
    sigset_t both = set;
    sigaddset(&both, SIGHUP);
    MUST(sigprocmask(SIG_BLOCK, &both, NULL));
    int fd = MUST(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)), second = MUST(signalfd(-1, &other, 0));
    int epoll = MUST(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 5};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    for (int i = 0; i < 3; i++) {
        union sigval value = {.sival_int = 70 + i};
        MUST(sigqueue(getpid(), SIGRTMIN + 7, value));
    }
    MUST(kill(getpid(), SIGUSR1));
    MUST(kill(getpid(), SIGHUP));
    ready();
    wait_go();
    SAME("flags", fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    SAME("close on exec", fcntl(fd, F_GETFD), FD_CLOEXEC);
    SAME("ready", epoll_wait(epoll, &event, 1, 0), 1);
    struct signalfd_siginfo info;
    SAME("read", MUST(read(fd, &info, sizeof info)), sizeof info);
    SAME("signal", info.ssi_signo, SIGUSR1);
    SAME("sender", info.ssi_pid, getpid());
    for (int i = 0; i < 3; i++) {
        SAME("read", MUST(read(fd, &info, sizeof info)), sizeof info);
        SAME("signal", info.ssi_signo, SIGRTMIN + 7);
        SAME("value", info.ssi_int, 70 + i);
    }
    FAILS(read(fd, &info, sizeof info), EAGAIN);
    SAME("read", MUST(read(second, &info, sizeof info)), sizeof info);
    SAME("signal", info.ssi_signo, SIGHUP);
    pass();
}
