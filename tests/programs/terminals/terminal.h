// What programs about pseudo-terminals share.
#ifndef OUTLAST_TERMINAL_H
#define OUTLAST_TERMINAL_H
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

struct pty {
    int master, slave, number;
    char name[64];
};

static UNUSED struct pty new_master(void) {
    struct pty pty = {.master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), .slave = -1};
    if (pty.master < 0) skip("no pseudo terminals: %s", strerror(errno));
    MUST(ioctl(pty.master, TIOCGPTN, &pty.number));
    snprintf(pty.name, sizeof pty.name, "/dev/pts/%d", pty.number);
    return pty;
}

static UNUSED struct pty new_pty(void) {
    struct pty pty = new_master();
    MUST(unlockpt(pty.master));
    pty.slave = MUST(open(pty.name, O_RDWR | O_NOCTTY));
    return pty;
}

// Neither echo nor lines nor translation.
static UNUSED void set_raw(int fd) {
    struct termios settings;
    MUST(tcgetattr(fd, &settings));
    cfmakeraw(&settings);
    MUST(tcsetattr(fd, TCSANOW, &settings));
}

static UNUSED int waiting(int fd) {
    int count;
    MUST(ioctl(fd, FIONREAD, &count));
    return count;
}

// The number is the one that it had, and leads to the same slave.
static UNUSED void same_names(const struct pty *pty) {
    int number;
    MUST(ioctl(pty->master, TIOCGPTN, &number));
    SAME("number", number, pty->number);
    if (pty->slave < 0) return;
    char name[64];
    MUST0(ttyname_r(pty->slave, name, sizeof name));
    HOLDS(!strcmp(name, pty->name), "another name: %s", name);
    struct stat named, opened;
    MUST(stat(pty->name, &named));
    MUST(fstat(pty->slave, &opened));
    HOLDS(named.st_ino == opened.st_ino && named.st_dev == opened.st_dev, "another terminal under this name");
}

// One read gets just this.
static UNUSED void reads_(int line, int fd, const char *text) {
    char got[256] = "";
    ssize_t count = read(fd, got, sizeof got - 1);
    if (count != (ssize_t)strlen(text) || memcmp(got, text, strlen(text)))
        fail("line %d: read: expected \"%s\", found %zd bytes (%s): \"%s\"", line, text, count,
             count < 0 ? strerror(errno) : "no error", got);
}
#define READS(fd, text) reads_(__LINE__, fd, text)

// A child that leads a session with the slave as its controlling terminal, on 0 too; 0 in the child, which has no master.
static UNUSED pid_t session(struct pty *pty) {
    pid_t made = child();
    if (made) return made;
    MUST(setsid());
    if (pty->slave < 0) pty->slave = MUST(open(pty->name, O_RDWR | O_NOCTTY));
    MUST(ioctl(pty->slave, TIOCSCTTY, 0));
    MUST(dup2(pty->slave, 0));
    close(pty->master);
    return 0;
}
#endif
