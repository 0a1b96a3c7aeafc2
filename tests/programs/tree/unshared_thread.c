// A thread with its own descriptors and one with its own current directory. [threads hard]
#include "outlast_test.h"

static atomic_int set;

static void *own_files(void *argument) {
    MUST(unshare(CLONE_FILES));
    MUST(dup2(1, 40));
    close(0);
    set++;
    wait_go();
    MUST(fcntl(40, F_GETFD));
    FAILS(fcntl(0, F_GETFD), EBADF);
    return argument;
}

static void *own_place(void *argument) {
    MUST(unshare(CLONE_FS));
    MUST(chdir("/"));
    umask(0777);
    set++;
    wait_go();
    char found[64];
    MUST(getcwd(found, sizeof found) ? 0 : -1);
    HOLDS(!strcmp(found, "/"), "%s", found);
    SAME("umask of the thread", umask(0), 0777);
    return argument;
}

int main(void) {
    pthread_t a = thread(own_files, NULL), b = thread(own_place, NULL);
    UNTIL(set == 2);
    ready();
    wait_go();
    FAILS(fcntl(40, F_GETFD), EBADF);
    MUST(fcntl(0, F_GETFD));
    char found[PATH_MAX];
    MUST(getcwd(found, sizeof found) ? 0 : -1);
    HOLDS(!strcmp(found, folder_), "%s", found);
    SAME("umask", umask(0), 022);
    MUST0(pthread_join(a, NULL));
    MUST0(pthread_join(b, NULL));
    pass();
}
