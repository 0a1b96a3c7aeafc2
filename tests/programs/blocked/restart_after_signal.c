// A blocked read is interrupted by a handler and begun again, or ends with EINTR, as the action says: also after. [threads signals]
#include "outlast_test.h"

static int ends[2];
static atomic_int handled;

static void on_signal(int number) {
    (void)number;
    handled++;
}

static void restarted(void) {
    char text[4];
    SAME("read", read(ends[0], text, 1), 1);
}

static void interrupted(void) {
    char text[4];
    FAILS(read(ends[0], text, 1), EINTR);
}

int main(void) {
    struct sigaction again = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, ends_it = {.sa_handler = on_signal};
    MUST(sigaction(SIGUSR1, &again, NULL));
    MUST(sigaction(SIGUSR2, &ends_it, NULL));
    MUST(pipe(ends));
    struct blocked *a = block_in(SYS_read, restarted), *b = block_in(SYS_read, interrupted);
    MUST0(pthread_kill(a->thread, SIGUSR1));
    UNTIL(handled == 1);
    until_in_call(a->tid, SYS_read);
    ready();
    wait_go();
    still_blocked(a);
    still_blocked(b);
    MUST0(pthread_kill(a->thread, SIGUSR1));
    UNTIL(handled == 2);
    still_blocked(a);
    MUST0(pthread_kill(b->thread, SIGUSR2));
    unblocked(b);
    still_blocked(a);
    MUST(write(ends[1], "x", 1));
    unblocked(a);
    pass();
}
