// A program at the addresses that all programs without randomness have: a restorer's own may be the same. [threads tree]
#include "outlast_test.h"
#include <sys/personality.h>

static void *other(void *argument) {
    wait_go();
    return argument;
}

int main(int argc, char **argv) {
    (void)argc;
    if (strcmp(argv[0], "again")) {
        MUST(personality(ADDR_NO_RANDOMIZE));
        char *words[] = {"again", NULL};
        MUST(execv("/proc/self/exe", words));
    }
    char *heap = malloc(100000);
    fill(heap, 100000, 1);
    pthread_t made = thread(other, heap);
    pid_t kid = child();
    if (!kid) {
        fill(heap, 100000, 2);
        wait_go();
        CHECK_FILL("heap of the child", heap, 100000, 2);
        done();
    }
    ready();
    wait_go();
    CHECK_FILL("heap", heap, 100000, 1);
    MUST0(pthread_join(made, NULL));
    ended_well(kid);
    pass();
}
