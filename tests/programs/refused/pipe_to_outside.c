// A pipe whose other end a process outside of the tree has. [refused:pipe tree]
#include "outlast_test.h"

int main(void) {
    int there[2], back[2];
    MUST(pipe(there));
    MUST(pipe(back));
    pid_t root = getpid(), middle = child();
    if (!middle) {
        if (!child()) {
            // An orphan that isn't a child of the tree any more. It ends when the pipe does.
            UNTIL(getppid() != root && kill(getppid(), 0) == 0);
            close(there[1]);
            close(back[0]);
            create_("outside");
            char text;
            while (MUST(read(there[0], &text, 1)) == 1) MUST(write(back[1], &text, 1));
            done();
        }
        done();
    }
    ended_well(middle);
    UNTIL(exists("outside"));
    close(there[0]);
    close(back[1]);
    ready();
    wait_go();
    char text = 0;
    MUST(write(there[1], "x", 1));
    SAME("answer", MUST(read(back[0], &text, 1)), 1);
    SAME("content", text, 'x');
    pass();
}
