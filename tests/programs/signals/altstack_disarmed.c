// Within a handler on a stack that is disarmed meanwhile (SS_AUTODISARM): it is armed again when the handler returns. [signals threads]
#include "outlast_test.h"

static char *low;
static atomic_int inside;

static void handler(int number) {
    (void)number;
    stack_t now;
    char here;
    inside++;
    wait_go();
    MUST(sigaltstack(NULL, &now));
    SAME("disarmed", now.ss_flags & ~(int)(1u << 31), SS_DISABLE);
    HOLDS(&here >= low && &here < low + 65536, "another stack");
}

static void *run(void *argument) {
    low = malloc(65536);
    stack_t mine = {.ss_sp = low, .ss_size = 65536, .ss_flags = (int)(1u << 31)}, now;
    MUST(sigaltstack(&mine, NULL));
    signal_self(SIGUSR1);
    MUST(sigaltstack(NULL, &now));
    SAME("armed", (uintptr_t)now.ss_sp, (uintptr_t)low);
    SAME("flags", now.ss_flags, (int)(1u << 31));
    return argument;
}

int main(void) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    MUST(sigaction(SIGUSR1, &action, NULL));
    pthread_t made = thread(run, NULL);
    UNTIL(inside);
    ready();
    wait_go();
    MUST0(pthread_join(made, NULL));
    pass();
}
