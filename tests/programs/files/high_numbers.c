// Descriptors of high numbers with gaps between; no others are open. [files]
#include "outlast_test.h"
#include <sys/resource.h>

int main(void) {
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max < 20000 ? limit.rlim_max : 20000;
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    int last = limit.rlim_cur - 1, fd = MUST(open("file", O_RDWR | O_CREAT, 0600));
    int numbers[] = {900, 901, 1023, last};
    for (int i = 0; i < 4; i++) MUST(dup2(fd, numbers[i]));
    close(fd);
    close(0);
    ready();
    wait_go();
    MUST(write(900, "x", 1));
    SAME("offset", lseek(last, 0, SEEK_CUR), 1);
    for (int i = 0; i < (int)limit.rlim_cur; i++) {
        bool expected = i == 1 || i == 2;
        for (int j = 0; j < 4; j++) expected |= numbers[j] == i;
        HOLDS((fcntl(i, F_GETFD) >= 0) == expected, "descriptor %d is %s", i, expected ? "closed" : "open");
    }
    SAME("the lowest free one", open("file", O_RDONLY), 0);
    pass();
}
