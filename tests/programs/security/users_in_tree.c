// A tree whose children are different users, with a pipe between them. [tree root files]
#include "outlast_test.h"
#include <grp.h>

int main(void) {
    int ends[2];
    MUST(pipe(ends));
    pid_t kids[3];
    for (int i = 0; i < 3; i++)
        if (!(kids[i] = child())) {
            if (i && (setgroups(0, NULL) < 0 || setgid(60000 + i) < 0 || setuid(60000 + i) < 0)) skip("not root");
            char name[16];
            snprintf(name, sizeof name, "user-%d", i);
            create_(name);
            wait_go();
            SAME("user", getuid(), i ? 60000 + i : 0);
            SAME("group", getegid(), i ? 60000 + i : 0);
            MUST(write(ends[1], "x", 1));
            done();
        }
    UNTIL(exists("user-0") && exists("user-1") && exists("user-2"));
    ready();
    wait_go();
    char text[4];
    for (int i = 0; i < 3; i++) MUST(read(ends[0], text, 1));
    for (int i = 0; i < 3; i++) ended_well(kids[i]);
    pass();
}
