// The bases of fs and gs, of each thread, as arch_prctl and the instructions see them. [threads]
#include "outlast_test.h"
#include <asm/prctl.h>

static uint64_t areas[3][64];
static atomic_int set;

static uint64_t through_gs(void) {
    uint64_t value;
    asm volatile("mov %%gs:8, %0" : "=r"(value));
    return value;
}

static void with_gs(long index) {
    areas[index][1] = 0xabc000 + index;
    MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, areas[index]));
    unsigned long fs, found;
    MUST(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
    set++;
    if (index == 0) {
        UNTIL(set == 3);
        ready();
    }
    wait_go();
    MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &found));
    SAME("gs", found, (uintptr_t)areas[index]);
    MUST(syscall(SYS_arch_prctl, ARCH_GET_FS, &found));
    SAME("fs", found, fs);
    SAME("through gs", through_gs(), 0xabc000 + index);
}

static void *other(void *argument) {
    with_gs((long)argument);
    return NULL;
}

int main(void) {
    pthread_t a = thread(other, (void *)1), b = thread(other, (void *)2);
    with_gs(0);
    MUST0(pthread_join(a, NULL));
    MUST0(pthread_join(b, NULL));
    pass();
}
