// Waiting for a lock on a file that another process has: flock, POSIX and open-file-description locks. [tree files]
#include "outlast_test.h"
#include <sys/file.h>

static pid_t waiter(const char *name, int kind) {
    pid_t made = child();
    if (made) return made;
    int fd = MUST(open(name, O_RDWR | O_CREAT, 0600));
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (kind == 0) MUST(flock(fd, LOCK_EX));
    if (kind == 1) MUST(fcntl(fd, F_SETLKW, &whole));
    if (kind == 2) MUST(fcntl(fd, F_OFD_SETLKW, &whole));
    HOLDS(exists("released"), "the lock, too early");
    done();
}

int main(void) {
    const char *names[] = {"flock", "posix", "description"};
    struct flock part = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    int fds[3];
    for (int i = 0; i < 3; i++) fds[i] = MUST(open(names[i], O_RDWR | O_CREAT, 0600));
    MUST(flock(fds[0], LOCK_EX));
    MUST(fcntl(fds[1], F_SETLK, &part));
    MUST(fcntl(fds[2], F_OFD_SETLK, &part));
    pid_t kids[3];
    for (int i = 0; i < 3; i++) {
        kids[i] = waiter(in_folder(names[i]), i);
        // The child has copies of the descriptors: a lock of the description lives until it closes them, so it ends last.
        until_in_call(kids[i], i == 0 ? SYS_flock : SYS_fcntl);
    }
    ready();
    wait_go();
    nap_ms(5);
    int status;
    SAME("still waiting", waitpid(-1, &status, WNOHANG), 0);
    create_("released");
    part.l_type = F_UNLCK;
    MUST(flock(fds[0], LOCK_UN));
    MUST(fcntl(fds[1], F_SETLK, &part));
    MUST(fcntl(fds[2], F_OFD_SETLK, &part));
    for (int i = 0; i < 3; i++) ended_well(kids[i]);
    pass();
}
