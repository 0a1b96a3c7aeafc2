// Names whose file was removed and made again, by another socket, or another kind of file. [files]
#include "unix_socket.h"

int main(void) {
    MUST(chdir(in_folder("")));
    int old = listener(SOCK_STREAM, "name", 1), client = connected(SOCK_STREAM, "name"), waits = connected(SOCK_STREAM, "name");
    int server = MUST(accept(old, NULL, NULL));
    MUST(unlink("name"));
    int now = listener(SOCK_STREAM, "name", 1);
    int fresh = connected(SOCK_STREAM, "name");
    int file = bound(SOCK_DGRAM, "file");
    MUST(unlink("file"));
    write_file("file", "content", 7);
    ready();
    wait_go();
    NAMED(old, "name");
    NAMED(now, "name");
    NAMED(server, "name");
    NAMED(file, "file");
    int second = MUST(accept(old, NULL, NULL)), third = MUST(accept(now, NULL, NULL));
    MUST(write(client, "1", 1));
    MUST(write(waits, "2", 1));
    MUST(write(fresh, "3", 1));
    RECEIVES(server, "1", 10);
    RECEIVES(second, "2", 10);
    RECEIVES(third, "3", 10);
    int last = connected(SOCK_STREAM, "name");
    MUST(write(last, "4", 1));
    MUST(fcntl(old, F_SETFL, O_NONBLOCK));
    FAILS(accept(old, NULL, NULL), EAGAIN);
    RECEIVES(MUST(accept(now, NULL, NULL)), "4", 10);
    char text[16];
    SAME("the file", read_file("file", text, sizeof text), 7);
    pass();
}
