// Locks on files are held: flock, POSIX and open-file-description ones, shared and exclusive, of ranges. [files tree]
#include "outlast_test.h"
#include <sys/file.h>

static struct flock range(short type, off_t start, off_t length) {
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
}

// Whether another process could have a lock of that kind there.
static void denied(int fd, short type, off_t start, off_t length, bool expected) {
    struct flock wanted = range(type, start, length);
    MUST(fcntl(fd, F_OFD_GETLK, &wanted));
    HOLDS((wanted.l_type != F_UNLCK) == expected, "a lock of kind %d at %ld is %s", type, (long)start,
          expected ? "possible" : "denied");
}

int main(void) {
    int f = MUST(open("flock", O_RDWR | O_CREAT, 0600)), g = MUST(open("shared", O_RDWR | O_CREAT, 0600));
    int p = MUST(open("posix", O_RDWR | O_CREAT, 0600)), o = MUST(open("description", O_RDWR | O_CREAT, 0600));
    MUST(flock(f, LOCK_EX));
    MUST(flock(g, LOCK_SH));
    struct flock a = range(F_WRLCK, 10, 5), b = range(F_RDLCK, 100, 0), c = range(F_WRLCK, 7, 1);
    MUST(fcntl(p, F_SETLK, &a));
    MUST(fcntl(p, F_SETLK, &b));
    MUST(fcntl(o, F_OFD_SETLK, &c));
    ready();
    wait_go();
    pid_t kid = child();
    if (!kid) {
        // By descriptions of its own.
        f = MUST(open("flock", O_RDWR)), g = MUST(open("shared", O_RDWR));
        int q = MUST(open("posix", O_RDWR)), r = MUST(open("description", O_RDWR));
        FAILS(flock(f, LOCK_SH | LOCK_NB), EWOULDBLOCK);
        FAILS(flock(g, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        MUST(flock(g, LOCK_SH | LOCK_NB));
        denied(q, F_RDLCK, 10, 1, true);
        denied(q, F_WRLCK, 15, 1, false);
        denied(q, F_RDLCK, 5000, 1, false);
        denied(q, F_WRLCK, 5000, 1, true);
        denied(r, F_RDLCK, 7, 1, true);
        denied(r, F_WRLCK, 8, 1, false);
        struct flock who = range(F_WRLCK, 10, 1);
        MUST(fcntl(q, F_GETLK, &who));
        SAME("owner of the POSIX lock", who.l_pid, getppid());
        done();
    }
    ended_well(kid);
    // Its own locks don't stand in its own way.
    MUST(fcntl(p, F_SETLK, &a));
    a.l_type = F_UNLCK;
    MUST(fcntl(p, F_SETLK, &a));
    kid = child();
    if (!kid) {
        int q = MUST(open("posix", O_RDWR));
        denied(q, F_WRLCK, 10, 5, false);
        done();
    }
    ended_well(kid);
    pass();
}
