// Programs are spawned all the time, by vfork and execve: a parent that waits in vfork does so for a moment only. [tree threads]
#include "outlast_test.h"
#include <spawn.h>

static atomic_bool stop;
static atomic_long rounds[2];

static void *spawn(void *argument) {
    long index = (long)argument;
    char *words[] = {"true", NULL}, *none[] = {NULL};
    for (; !stop; rounds[index]++) {
        pid_t made;
        int status;
        MUST0(posix_spawn(&made, "/bin/true", NULL, NULL, words, none));
        SAME("child", waitpid(made, &status, 0), made);
        SAME("status", status, 0);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[] = {thread(spawn, NULL), thread(spawn, (void *)1)};
    UNTIL(rounds[0] > 3 && rounds[1] > 3);
    ready();
    wait_go();
    long before[] = {rounds[0], rounds[1]};
    UNTIL(rounds[0] > before[0] + 3 && rounds[1] > before[1] + 3);
    stop = true;
    for (int i = 0; i < 2; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
