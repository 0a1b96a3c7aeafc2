// launch PROGRAM WORD …: runs a test program as the protocol says: in its own session, with /dev/null as standard input, files for
// the output, nothing else open, and all signals as they are at first. The folder and the environment are the caller's.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(int at, const char *path, int flags) {
    int fd = open(path, flags, 0666);
    if (fd < 0 || (fd != at && dup2(fd, at) < 0)) _exit(2);
    if (fd != at) close(fd);
}

int main(int argc, char **argv) {
    // Some are about being in somebody else's session.
    if (argc < 2 || (!getenv("OUTLAST_OUTSIDE_SESSION") && setsid() < 0)) return 2;
    umask(022);
    put(0, "/dev/null", O_RDONLY);
    put(1, "stdout", O_WRONLY | O_CREAT | O_APPEND);
    put(2, "stderr", O_WRONLY | O_CREAT | O_APPEND);
    if (close_range(3, ~0u, 0) < 0) return 2;
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    struct rlimit none_dumped = {0, RLIM_INFINITY};
    getrlimit(RLIMIT_CORE, &none_dumped);
    none_dumped.rlim_cur = 0;
    setrlimit(RLIMIT_CORE, &none_dumped);
    // A path, or the name of a program in PATH; its own name is without the path.
    const char *program = argv[1], *slash = strrchr(program, '/');
    if (slash) argv[1] += slash + 1 - program;
    execvp(program, argv + 1);
    perror(program);
    return 2;
}
