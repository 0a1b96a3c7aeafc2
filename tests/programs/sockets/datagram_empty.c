// An empty datagram waits between others. The kernel shows it once to whoever looks without taking it: the next image of a program that ran on lacks it. [files once]
#include "unix_socket.h"

static void comes(int fd, const char *text) {
    char got[64] = "";
    ssize_t bytes = MUST(recv(fd, got, sizeof got, MSG_DONTWAIT));
    HOLDS(bytes == (ssize_t)strlen(text) && !memcmp(got, text, bytes), "%zd bytes: %.*s", bytes, (int)bytes, got);
}

int main(void) {
    MUST(chdir(in_folder("")));
    int path = bound(SOCK_DGRAM, "path"), sender = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
    send_to(sender, "path", "first");
    send_to(sender, "path", "");
    send_to(sender, "path", "last");
    ready();
    wait_go();
    comes(path, "first");
    comes(path, "");
    comes(path, "last");
    NOTHING(path);
    pass();
}
