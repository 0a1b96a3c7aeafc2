// Descriptors on their way: in a stream between bytes, in datagrams, the same one twice, a pipe, and sockets in each other. [files]
#include "unix_socket.h"

int main(void) {
    int stream[2], datagrams[2], ends[2], inner[2], loop[2], got[8];
    char text[64];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
    MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, inner));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, loop));
    MUST(pipe(ends));
    int data = MUST(open("data", O_RDWR | O_CREAT, 0600)), kept = MUST(open("kept", O_RDWR | O_CREAT, 0600));
    MUST(write(data, "content", 7));
    MUST(write(kept, "kept", 4));
    MUST(write(ends[1], "in the pipe", 11));
    MUST(write(stream[0], "before", 6));
    pass_on(stream[0], "with", 2, (int[]){data, kept});
    MUST(write(stream[0], "after", 5));
    pass_on(stream[0], "end", 1, (int[]){ends[0]});
    pass_on(datagrams[0], "first", 1, (int[]){data});
    pass_on(datagrams[0], "second", 1, (int[]){inner[1]});
    MUST(close(data));
    MUST(close(ends[0]));
    pass_on(inner[0], "nested", 1, (int[]){ends[1]});
    MUST(close(ends[1]));
    MUST(close(inner[1]));
    // It is only in its own queue.
    pass_on(loop[0], "loop", 1, (int[]){loop[1]});
    ready();
    wait_go();
    RECEIVES(stream[1], "befo", 4);
    // What comes before them may come with them, but no more.
    SAME("before", take(stream[1], text, 2, got), 0);
    HOLDS(!strcmp(text, "re"), "%s", text);
    SAME("with", take(stream[1], text, 60, got), 2);
    HOLDS(!strcmp(text, "with"), "%s", text);
    SAME("offset", lseek(got[0], 0, SEEK_CUR), 7);
    MUST(lseek(got[0], 3, SEEK_SET));
    MUST(lseek(kept, 1, SEEK_SET));
    SAME("shared", lseek(got[1], 0, SEEK_CUR), 1);
    SAME("after", take(stream[1], text, 5, got + 2), 0);
    HOLDS(!strcmp(text, "after"), "%s", text);
    SAME("end", take(stream[1], text, 60, got + 2), 1);
    SAME("pipe", MUST(read(got[2], text, 60)), 11);
    SAME("first", take(datagrams[1], text, 60, got + 3), 1);
    HOLDS(!strcmp(text, "first"), "%s", text);
    SAME("shared, too", lseek(got[3], 0, SEEK_CUR), 3);
    SAME("second", take(datagrams[1], text, 60, got + 4), 1);
    SAME("nested", take(got[4], text, 60, got + 5), 1);
    HOLDS(!strcmp(text, "nested"), "%s", text);
    MUST(write(got[5], "x", 1));
    SAME("through the pipe", MUST(read(got[2], text, 60)), 1);
    MUST(write(got[4], "y", 1));
    RECEIVES(inner[0], "y", 10);
    SAME("its own", take(loop[1], text, 60, got + 6), 1);
    MUST(write(loop[0], "z", 1));
    RECEIVES(got[6], "z", 10);
    pass();
}
