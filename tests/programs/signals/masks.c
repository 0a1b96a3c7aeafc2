// The mask of each thread, and what a child inherits of it. [signals threads tree]
#include "outlast_test.h"

static atomic_int set;

static void *other(void *argument) {
    uint64_t mask = word_at(9, (long)argument) & ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1)), found;
    MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8));
    set++;
    wait_go();
    MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &found, 8));
    SAME("mask", found, mask);
    pid_t kid = MUST(syscall(SYS_fork));
    if (!kid) {
        MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &found, 8));
        _exit(found != mask);
    }
    ended_well(kid);
    return NULL;
}

int main(void) {
    pthread_t threads[20];
    for (long i = 0; i < 20; i++) threads[i] = thread(other, (void *)i);
    UNTIL(set == 20);
    ready();
    wait_go();
    for (int i = 0; i < 20; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
