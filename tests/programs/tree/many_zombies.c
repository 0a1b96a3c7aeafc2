// A hundred zombies with statuses of their own, of two parents. [tree]
#include "outlast_test.h"

#define COUNT 50

static void make(pid_t *kids) {
    for (int i = 0; i < COUNT; i++)
        if (!(kids[i] = child())) {
            if (i % 2) raise(SIGKILL);
            _exit(i);
        }
    for (int i = 0; i < COUNT; i++) until_state(kids[i], 'Z');
}

static void reap(pid_t *kids) {
    for (int i = 0; i < COUNT; i++) {
        int status;
        SAME("child", waitpid(kids[i], &status, WNOHANG), kids[i]);
        SAME("status", status, i % 2 ? SIGKILL : i << 8);
    }
    FAILS(wait(NULL), ECHILD);
}

int main(void) {
    pid_t kids[COUNT], other = child();
    if (!other) {
        make(kids);
        create_("made");
        wait_go();
        reap(kids);
        done();
    }
    make(kids);
    UNTIL(exists("made"));
    ready();
    wait_go();
    ended_well(other);
    reap(kids);
    pass();
}
