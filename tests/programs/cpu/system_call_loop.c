// Threads that make system calls all the time, of which each result is known: none is lost, doubled or wrong. [threads files]
#include "outlast_test.h"

static atomic_bool stop;
static atomic_long rounds;

static void *numbers(void *argument) {
    pid_t pid = getpid(), tid = gettid();
    for (; !stop; rounds++) {
        SAME("getpid", syscall(SYS_getpid), pid);
        SAME("gettid", syscall(SYS_gettid), tid);
        FAILS(close(-1), EBADF);
        FAILS(syscall(9999), ENOSYS);
        SAME("getpgid", syscall(SYS_getpgid, 0), getpgrp());
    }
    return argument;
}

static void *pipes(void *argument) {
    int ends[2];
    MUST(pipe(ends));
    for (uint64_t count = 0, found; !stop; count++, rounds++) {
        SAME("written", write(ends[1], &count, 8), 8);
        SAME("read", read(ends[0], &found, 8), 8);
        SAME("content", found, count);
    }
    return argument;
}

static void *descriptors(void *argument) {
    int fd = MUST(open(in_folder("counted"), O_RDWR | O_CREAT, 0600));
    for (long count = 0; !stop; count++, rounds++) {
        SAME("offset", lseek(fd, 0, SEEK_CUR), count % 100000);
        SAME("written", write(fd, "x", 1), 1);
        if (count % 100000 == 99999) lseek(fd, 0, SEEK_SET);
        SAME("dup", dup2(fd, 30 + count % 4), 30 + count % 4);
        SAME("close", close(30 + count % 4), 0);
    }
    return argument;
}

static void *mappings(void *argument) {
    for (uint64_t count = 0; !stop; count++, rounds++) {
        uint64_t *at = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        SAME("fresh", at[0] | at[1000], 0);
        at[0] = count;
        at = MUST(mremap(at, 8192, 16384, MREMAP_MAYMOVE));
        SAME("moved", at[0], count);
        SAME("unmapped", munmap(at, 16384), 0);
    }
    return argument;
}

int main(void) {
    void *(*runs[])(void *) = {numbers, pipes, descriptors, mappings};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) threads[i] = thread(runs[i], NULL);
    UNTIL(rounds > 1000);
    ready();
    wait_go();
    long before = rounds;
    UNTIL(rounds > before + 1000);
    stop = true;
    for (int i = 0; i < 4; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
