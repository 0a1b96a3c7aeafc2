// Children of several threads: each thread waits for its own with __WNOTHREAD. [tree threads]
#include "outlast_test.h"

static atomic_int made_count;

static void *parent(void *argument) {
    pid_t kid = child();
    if (!kid) {
        wait_go();
        _exit((long)argument);
    }
    made_count++;
    wait_go();
    int status;
    SAME("child", waitpid(-1, &status, __WNOTHREAD), kid);
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == (long)argument, "%#x", status);
    FAILS(waitpid(-1, &status, __WNOTHREAD), ECHILD);
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) threads[i] = thread(parent, (void *)(i + 1));
    UNTIL(made_count == 4);
    ready();
    wait_go();
    for (int i = 0; i < 4; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
