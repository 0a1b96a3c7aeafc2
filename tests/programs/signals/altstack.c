// Alternate stacks, of each thread its own, with their flags; handlers run on them. [signals threads]
#include "outlast_test.h"

#define SIZE 32768

static atomic_int set;
static _Thread_local char *low;
static atomic_int on_it;

static void on_usr1(int number) {
    (void)number;
    char here;
    if (&here >= low && &here < low + SIZE) on_it++;
}

static void use(int flags) {
    low = malloc(SIZE);
    stack_t mine = {.ss_sp = low, .ss_size = SIZE, .ss_flags = flags}, found;
    MUST(sigaltstack(&mine, NULL));
    set++;
    if (gettid() == getpid()) {
        UNTIL(set == 3);
        ready();
    }
    wait_go();
    MUST(sigaltstack(NULL, &found));
    SAME("stack", (uintptr_t)found.ss_sp, (uintptr_t)low);
    SAME("size", found.ss_size, SIZE);
    SAME("flags", found.ss_flags, flags);
    signal_self(SIGUSR1);
}

static void *other(void *argument) {
    use((int)(long)argument);
    return NULL;
}

static void *disabled(void *argument) {
    stack_t found;
    wait_go();
    MUST(sigaltstack(NULL, &found));
    SAME("flags of a thread without", found.ss_flags, SS_DISABLE);
    return argument;
}

int main(void) {
    struct sigaction action = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
    MUST(sigaction(SIGUSR1, &action, NULL));
    pthread_t a = thread(other, (void *)(long)(int)(1u << 31)), b = thread(other, NULL), c = thread(disabled, NULL);
    use(0);
    MUST0(pthread_join(a, NULL));
    MUST0(pthread_join(b, NULL));
    MUST0(pthread_join(c, NULL));
    SAME("handlers on their stacks", on_it, 3);
    pass();
}
