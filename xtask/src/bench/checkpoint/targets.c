// What is checkpointed in the benchmark: `targets tiny | threads N | children N | memory MIB`. Says "ready", then waits.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *wait_for_ever(void *argument) {
    for (;;) pause();
    return argument;
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "tiny";
    long number = count > 2 ? atol(arguments[2]) : 0;
    if (!strcmp(what, "threads")) {
        for (long i = 1; i < number; i++) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, wait_for_ever, NULL)) return 1;
        }
    } else if (!strcmp(what, "children")) {
        for (long i = 0; i < number; i++) {
            int ends[2];
            if (pipe(ends)) return 1;
            if (!fork()) {
                char byte;
                close(ends[1]);
                while (read(ends[0], &byte, 1) > 0) {}
                _exit(0);
            }
            close(ends[0]);
            if (write(ends[1], "x", 1) != 1) return 1;
        }
    } else if (!strcmp(what, "memory")) {
        size_t words = (size_t)number << 17;
        uint64_t *all = mmap(NULL, words * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), x = 88172645463325252;
        if (all == MAP_FAILED) return 1;
        // No two pages alike, none that packs.
        for (size_t i = 0; i < words; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            all[i] = x;
        }
    }
    puts("ready");
    fflush(stdout);
    wait_for_ever(NULL);
}
