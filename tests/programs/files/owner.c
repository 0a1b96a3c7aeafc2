// Who gets the signal of a descriptor, and which: F_SETOWN, F_SETSIG and O_ASYNC on a pipe. [files signals]
#include "outlast_test.h"

static volatile sig_atomic_t came, from;

static void on_io(int number, siginfo_t *info, void *context) {
    (void)context;
    came = number;
    from = info->si_fd;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};
    MUST(sigaction(SIGRTMIN + 4, &action, NULL));
    int ends[2];
    MUST(pipe(ends));
    MUST(fcntl(ends[0], F_SETOWN, getpid()));
    MUST(fcntl(ends[0], F_SETSIG, SIGRTMIN + 4));
    MUST(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK));
    ready();
    wait_go();
    SAME("owner", fcntl(ends[0], F_GETOWN), getpid());
    SAME("signal", fcntl(ends[0], F_GETSIG), SIGRTMIN + 4);
    SAME("flags", fcntl(ends[0], F_GETFL) & (O_ASYNC | O_NONBLOCK), O_ASYNC | O_NONBLOCK);
    SAME("so far", came, 0);
    MUST(write(ends[1], "x", 1));
    UNTIL(came);
    SAME("descriptor", from, ends[0]);
    pass();
}
