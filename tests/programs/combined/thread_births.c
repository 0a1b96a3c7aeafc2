// Threads and children are made and end all the time: a snapshot of the tree sees each in some state. [threads tree]
#include "outlast_test.h"

static atomic_bool stop;
static atomic_long threads_made, children_made;

static void *short_one(void *argument) { return argument; }

static void *threads(void *argument) {
    for (long count = 0; !stop; count++, threads_made++) {
        void *result;
        MUST0(pthread_join(thread(short_one, (void *)count), &result));
        SAME("result", (long)result, count);
    }
    return argument;
}

static void *children(void *argument) {
    for (int count = 0; !stop; count++, children_made++) {
        pid_t kid = child();
        if (!kid) _exit(count & 127);
        int status;
        SAME("child", waitpid(kid, &status, 0), kid);
        HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == (count & 127), "%#x", status);
    }
    return argument;
}

int main(void) {
    pthread_t all[] = {thread(threads, NULL), thread(threads, NULL), thread(children, NULL)};
    UNTIL(threads_made > 20 && children_made > 5);
    ready();
    wait_go();
    long before[] = {threads_made, children_made};
    UNTIL(threads_made > before[0] + 20 && children_made > before[1] + 5);
    stop = true;
    for (int i = 0; i < 3; i++) MUST0(pthread_join(all[i], NULL));
    pass();
}
