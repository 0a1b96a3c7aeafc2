// Sockets that nothing was done with yet, bound ones, and one that listens no more. [files]
#include "unix_socket.h"

int main(void) {
    char name[64];
    strcpy(name, abstract_name("fresh"));
    MUST(chdir(in_folder("")));
    int plain = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), packets = MUST(socket(AF_UNIX, SOCK_SEQPACKET, 0)),
        datagrams = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)), named = bound(SOCK_STREAM, "named"), automatic = MUST(socket(AF_UNIX, SOCK_DGRAM, 0)),
        shut = listener(SOCK_STREAM, name, 7);
    struct sockaddr_un any = {.sun_family = AF_UNIX}, given = {0}, found = {0};
    MUST(bind(automatic, (struct sockaddr *)&any, sizeof any.sun_family));
    socklen_t length = sizeof given, now = sizeof found;
    MUST(getsockname(automatic, (struct sockaddr *)&given, &length));
    MUST(shutdown(shut, SHUT_RD));
    FAILS(accept(shut, NULL, NULL), EINVAL);
    ready();
    wait_go();
    SAME("closed by exec", fcntl(plain, F_GETFD), FD_CLOEXEC);
    SAME("type", option(packets, SO_TYPE), SOCK_SEQPACKET);
    struct stat st;
    MUST(stat("named", &st));
    SAME("a socket", st.st_mode & S_IFMT, S_IFSOCK);
    struct address named_so = address_of("named");
    FAILS(bind(datagrams, (struct sockaddr *)&named_so.at, named_so.length), EADDRINUSE);
    FAILS(accept(shut, NULL, NULL), EINVAL);
    MUST(listen(named, 1));
    connect_to(plain, "named");
    MUST(close(MUST(accept(named, NULL, NULL))));
    MUST(getsockname(automatic, (struct sockaddr *)&found, &now));
    HOLDS(now == length && !memcmp(&given, &found, length), "%d bytes, %s", (int)now, found.sun_path + 1);
    MUST(connect(datagrams, (struct sockaddr *)&given, length));
    MUST(write(datagrams, "x", 1));
    RECEIVES(automatic, "x", 10);
    NAMED(packets, NULL);
    pass();
}
