// A handler that has interrupted a call: when it returns, the call begins again or ends with EINTR. [signals threads]
#include "outlast_test.h"

static int ends[2];
static atomic_int inside;

static void handler(int number) {
    (void)number;
    inside++;
    wait_go();
}

static void restarted(void) {
    char text;
    SAME("read", read(ends[0], &text, 1), 1);
}

static void interrupted(void) {
    char text;
    FAILS(read(ends[0], &text, 1), EINTR);
}

static void slept(void) {
    struct timespec time = {100000, 0}, rest = {0, 0};
    FAILS(nanosleep(&time, &rest), EINTR);
    HOLDS(rest.tv_sec <= 100000 && rest.tv_sec > 90000, "%ld s remained", (long)rest.tv_sec);
}

int main(void) {
    struct sigaction again = {.sa_handler = handler, .sa_flags = SA_RESTART}, ends_it = {.sa_handler = handler};
    MUST(sigaction(SIGUSR1, &again, NULL));
    MUST(sigaction(SIGUSR2, &ends_it, NULL));
    MUST(pipe(ends));
    struct blocked *a = block_in(SYS_read, restarted), *b = block_in(SYS_read, interrupted),
                   *c = block_in(SYS_clock_nanosleep, slept);
    MUST0(pthread_kill(a->thread, SIGUSR1));
    MUST0(pthread_kill(b->thread, SIGUSR2));
    MUST0(pthread_kill(c->thread, SIGUSR1));
    UNTIL(inside == 3);
    ready();
    wait_go();
    unblocked(b);
    unblocked(c);
    still_blocked(a);
    MUST(write(ends[1], "x", 1));
    unblocked(a);
    pass();
}
