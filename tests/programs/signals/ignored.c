// Ignored signals stay ignored, SIGTRAP and SIGCHLD and SIGPIPE among them. [signals]
#include "outlast_test.h"

int main(void) {
    int numbers[] = {SIGTRAP, SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGRTMIN + 1};
    for (int i = 0; i < 7; i++) signal(numbers[i], SIG_IGN);
    int ends[2];
    MUST(pipe(ends));
    close(ends[0]);
    ready();
    wait_go();
    for (int i = 0; i < 7; i++) {
        struct sigaction found;
        MUST(sigaction(numbers[i], NULL, &found));
        HOLDS(found.sa_handler == SIG_IGN, "another action for %d", numbers[i]);
        raise(numbers[i]);
    }
    FAILS(write(ends[1], "x", 1), EPIPE);
    pass();
}
