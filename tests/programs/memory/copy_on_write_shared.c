// Pages that a fork shares cost their memory once: most of 32 MiB are shared still. [tree hard same-pids]
#include "outlast_test.h"

#define SIZE (32 << 20)

// Of how many pages this process isn't the only owner.
static long shared_pages(const char *at) {
    int fd = MUST(open("/proc/self/pagemap", O_RDONLY));
    static uint64_t entries[SIZE / 4096];
    SAME("read", pread(fd, entries, sizeof entries, (uintptr_t)at / 4096 * 8), sizeof entries);
    close(fd);
    long count = 0;
    for (size_t i = 0; i < SIZE / 4096; i++) count += entries[i] >> 63 && !(entries[i] >> 56 & 1);
    return count;
}

int main(void) {
    char *at = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(madvise(at, SIZE, MADV_NOHUGEPAGE));
    fill(at, SIZE, 1);
    pid_t kid = child();
    if (!kid) {
        fill(at, SIZE / 8, 2);
        create_("written");
        UNTIL(exists("ready"));
        wait_go();
        UNTIL(exists("counted"));
        CHECK_FILL("of the child", at, SIZE / 8, 2);
        done();
    }
    UNTIL(exists("written"));
    long before = shared_pages(at);
    HOLDS(before == SIZE / 4096 * 7 / 8, "%ld shared pages before", before);
    ready();
    wait_go();
    long after = shared_pages(at);
    create_("counted");
    HOLDS(after >= before * 9 / 10, "%ld shared pages, %ld before", after, before);
    CHECK_FILL("content", at, SIZE, 1);
    ended_well(kid);
    pass();
}
