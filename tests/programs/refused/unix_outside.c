// A unix socket whose other end a process outside of the tree has. [refused:outside tree]
#include "unix_socket.h"

int main(void) {
    int pair[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    pid_t middle = child();
    if (!middle) {
        pid_t parent = getpid();
        if (child()) done();
        // An orphan that isn't a child of the tree any more.
        UNTIL(getppid() != parent);
        close(pair[0]);
        create_("orphaned");
        wait_go();
        MUST(write(pair[1], "hello", 5));
        done();
    }
    close(pair[1]);
    ended_well(middle);
    UNTIL(exists("orphaned"));
    ready();
    wait_go();
    char text[8];
    SAME("received", MUST(read(pair[0], text, sizeof text)), 5);
    pass();
}
