// A program that has registered no restartable sequences, and does so only after. [threads]
#include "outlast_test.h"
#include <sys/rseq.h>

int main(int argc, char **argv) {
    (void)argc;
    if (strcmp(argv[0], "again")) {
        MUST(setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1));
        char *words[] = {"again", NULL};
        MUST(execv("/proc/self/exe", words));
    }
    if (__rseq_size) skip("the C library registers them anyway");
    ready();
    wait_go();
    static struct {
        uint32_t words[8];
    } area __attribute__((aligned(32)));
    MUST(syscall(SYS_rseq, &area, 32, 0, RSEQ_SIG));
    for (volatile int i = 0; i < 1000; i++) sched_yield();
    HOLDS(area.words[1] < 4096, "processor %u", area.words[1]);
    MUST(syscall(SYS_rseq, &area, 32, 1 /* unregister */, RSEQ_SIG));
    pass();
}
