// A parent and a child have an end each; a grandchild shares the child's. [files tree]
#include "unix_socket.h"

int main(void) {
    int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM}, pairs[3][2];
    for (int i = 0; i < 3; i++) MUST(socketpair(AF_UNIX, types[i], 0, pairs[i]));
    pid_t kid = child();
    if (!kid) {
        for (int i = 0; i < 3; i++) {
            MUST(close(pairs[i][0]));
            MUST(dup2(pairs[i][1], 50 + i));
            MUST(close(pairs[i][1]));
            MUST(write(50 + i, "from the child", 14));
        }
        pid_t last = child();
        create_(last ? "child" : "grandchild");
        wait_go();
        for (int i = 0; i < 3; i++) {
            char text[32];
            int length = MUST(read(50 + i, text, sizeof text));
            // Whoever comes first has it; both answer.
            SAME("asked", length, 1);
            MUST(write(50 + i, "answer", 6));
        }
        if (last) ended_well(last);
        done();
    }
    for (int i = 0; i < 3; i++) MUST(close(pairs[i][1]));
    UNTIL(exists("child") && exists("grandchild"));
    ready();
    wait_go();
    for (int i = 0; i < 3; i++) {
        int fd = pairs[i][0];
        RECEIVES(fd, "from the child", 14);
        char text[32];
        for (int n = 0; n < 2; n++) {
            MUST(write(fd, "?", 1));
            SAME("answer", MUST(read(fd, text, 6)), 6);
        }
    }
    ended_well(kid);
    for (int i = 0; i < 2; i++) SAME("at its end", MUST(read(pairs[i][0], (char[1]){0}, 1)), 0);
    pass();
}
