// An open directory goes on where it was read to: each name once. [files]
#include "outlast_test.h"
#include <dirent.h>

#define NAMES 500

static int seen[NAMES];

static int read_names(int fd, size_t size) {
    char buffer[32768] __attribute__((aligned(8)));
    long length = MUST(syscall(SYS_getdents64, fd, buffer, size));
    for (long at = 0; at < length;) {
        struct dirent64 *entry = (void *)(buffer + at);
        int number;
        if (sscanf(entry->d_name, "name-%d", &number) == 1) seen[number]++;
        at += entry->d_reclen;
    }
    return length;
}

int main(void) {
    MUST(mkdir("many", 0700));
    MUST(chdir("many"));
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/name-%d", i);
        create_(name);
    }
    int fd = MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    read_names(fd, 4096);
    ready();
    wait_go();
    while (read_names(fd, 32768) > 0) {}
    for (int i = 0; i < NAMES; i++) SAME("times that a name was seen", seen[i], 1);
    MUST(openat(fd, "name-3", O_RDONLY));
    MUST(fchdir(fd));
    MUST(lseek(fd, 0, SEEK_SET));
    while (read_names(fd, 32768) > 0) {}
    SAME("again", seen[77], 2);
    pass();
}
