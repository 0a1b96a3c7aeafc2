// A thousand descriptors: files, pipes and counters, at their numbers, with their offsets. [files]
#include "outlast_test.h"
#include <sys/eventfd.h>
#include <sys/resource.h>

#define COUNT 1000

int main(void) {
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_max < 2 * COUNT) skip("at most %ld descriptors", (long)limit.rlim_max);
    limit.rlim_cur = 2 * COUNT;
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    write_file("data", "0123456789", 10);
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++) {
        int pair[2];
        if (i % 4 == 0) {
            MUST(pipe(pair));
            fds[i] = pair[0], fds[i + 1] = pair[1];
            MUST(write(pair[1], &i, sizeof i));
        } else if (i % 4 == 2) {
            fds[i] = MUST(open("data", O_RDONLY));
            MUST(lseek(fds[i], i, SEEK_SET));
        } else if (i % 4 == 3) {
            fds[i] = MUST(eventfd(i, 0));
        }
    }
    ready();
    wait_go();
    for (int i = 0; i < COUNT; i++) {
        int found;
        uint64_t value;
        if (i % 4 == 0) {
            SAME("read", MUST(read(fds[i], &found, sizeof found)), sizeof found);
            SAME("of a pipe", found, i);
        } else if (i % 4 == 2) {
            SAME("offset", lseek(fds[i], 0, SEEK_CUR), i);
        } else if (i % 4 == 3) {
            MUST(read(fds[i], &value, 8));
            SAME("of a counter", value, i);
        }
    }
    pass();
}
