// Fifty children, each with a thread and a private value. [tree threads]
#include "outlast_test.h"

#define CHILDREN 50

static atomic_int there;

static void *inner(void *argument) {
    there++;
    wait_go();
    return argument;
}

int main(void) {
    pid_t children[CHILDREN];
    int said[2];
    MUST(pipe(said));
    for (int i = 0; i < CHILDREN; i++)
        if (!(children[i] = child())) {
            volatile int own = i * 17;
            pthread_t made = thread(inner, (void *)(long)i);
            UNTIL(there == 1);
            MUST(write(said[1], "x", 1));
            wait_go();
            void *result;
            MUST0(pthread_join(made, &result));
            SAME("of the thread", (long)result, i);
            SAME("own value", own, i * 17);
            _exit(i);
        }
    for (int i = 0; i < CHILDREN; i++) {
        char x;
        MUST(read(said[0], &x, 1));
    }
    ready();
    wait_go();
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        SAME("child", waitpid(children[i], &status, 0), children[i]);
        HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == i, "%#x from child %d", status, i);
    }
    pass();
}
