// A parent and three children that talk by pipes go on talking. [tree]
#include "outlast_test.h"

#define CHILDREN 3

// Adds one to each number that comes, until none comes.
static _Noreturn void echo(int in, int out) {
    uint32_t number;
    while (MUST(read(in, &number, sizeof number)) == sizeof number) {
        number++;
        MUST(write(out, &number, sizeof number));
    }
    done();
}

int main(void) {
    int pipes[CHILDREN + 1][2];
    pid_t children[CHILDREN];
    for (int i = 0; i <= CHILDREN; i++) MUST(pipe(pipes[i]));
    for (int i = 0; i < CHILDREN; i++)
        if (!(children[i] = child())) {
            for (int other = 0; other <= CHILDREN; other++) {
                if (other != i) close(pipes[other][0]);
                if (other != i + 1) close(pipes[other][1]);
            }
            echo(pipes[i][0], pipes[i + 1][1]);
        }
    for (int i = 0; i <= CHILDREN; i++) {
        if (i != 0) close(pipes[i][1]);
        if (i != CHILDREN) close(pipes[i][0]);
    }
    uint32_t number = 0;
    for (int round = 0; round < 10; round++) {
        MUST(write(pipes[0][1], &number, sizeof number));
        MUST(read(pipes[CHILDREN][0], &number, sizeof number));
    }
    for (int i = 0; i < CHILDREN; i++) until_in_call(children[i], SYS_read);
    ready();
    wait_go();
    for (int round = 0; round < 10; round++) {
        MUST(write(pipes[0][1], &number, sizeof number));
        SAME("answer", MUST(read(pipes[CHILDREN][0], &number, sizeof number)), sizeof number);
    }
    SAME("number after 20 rounds", number, 20 * CHILDREN);
    close(pipes[0][1]);
    for (int i = 0; i < CHILDREN; i++) ended_well(children[i]);
    pass();
}
