// Restartable sequences stay registered, for each thread: the processor's number is right, and an abort works. [threads]
#include "outlast_test.h"
#include <sys/rseq.h>

static atomic_int set, spinning;
static volatile int stop;

// Spins within a critical section, which a move to another processor or a signal leaves by its abort handler. It says so
// within the section: whoever sends the signal any earlier would abort nothing.
static long spin(struct rseq *area) {
    long aborted = 0;
    struct rseq_cs section __attribute__((aligned(32))) = {0};
    asm volatile("lea 1f(%%rip), %%rax\n mov %%rax, 8(%1)\n"
                 "lea 2f(%%rip), %%rcx\n sub %%rax, %%rcx\n mov %%rcx, 16(%1)\n"
                 "lea 4f(%%rip), %%rax\n mov %%rax, 24(%1)\n"
                 "mov %1, 8(%2)\n"
                 "1: movl $1, (%4)\n pause\n cmpl $0, (%3)\n je 1b\n"
                 "2: jmp 5f\n"
                 ".byte 0x0f, 0xb9, 0x3d\n .long 0x53053053\n"
                 "4: mov $1, %0\n"
                 "5: movq $0, 8(%2)\n"
                 : "+r"(aborted)
                 : "r"(&section), "r"(area), "r"(&stop), "r"(&spinning)
                 : "rax", "rcx", "memory", "cc");
    return aborted;
}

static struct rseq *own(void) { return (void *)((char *)__builtin_thread_pointer() + __rseq_offset); }

static void check(void) {
    struct rseq *area = own();
    for (int i = 0; i < 1000; i++) {
        cpu_set_t one, all;
        unsigned number;
        sched_getaffinity(0, sizeof all, &all);
        int wanted = i % CPU_COUNT(&all);
        CPU_ZERO(&one);
        CPU_SET(wanted, &one);
        if (i < 20 && sched_setaffinity(0, sizeof one, &one) == 0) {
            number = *(volatile uint32_t *)&area->cpu_id;
            SAME("processor", number, wanted);
            SAME("processor by getcpu", sched_getcpu(), wanted);
            MUST(sched_setaffinity(0, sizeof all, &all));
        }
    }
    // Registering the same area again is refused as busy: it is registered.
    long result = syscall(SYS_rseq, area, sizeof *area < 32 ? 32 : sizeof *area, 0, RSEQ_SIG);
    HOLDS(result == -1 && (errno == EBUSY || errno == EINVAL), "%ld (%s)", result, strerror(errno));
}

static void *other(void *argument) {
    set++;
    wait_go();
    check();
    return argument;
}

static void on_usr1(int number) { (void)number; }

static void *spinner(void *argument) {
    // Its end is an abort, from the signal, or an earlier one: so early that the section's first line wasn't reached, maybe.
    long aborted = spin(own());
    spinning = 1;
    SAME("aborted", aborted, 1);
    return argument;
}

int main(void) {
    if (!__rseq_size) skip("the C library has registered no restartable sequences");
    signal(SIGUSR1, on_usr1);
    pthread_t a = thread(other, NULL), b = thread(spinner, NULL);
    UNTIL(set && spinning);
    ready();
    wait_go();
    check();
    MUST0(pthread_kill(b, SIGUSR1));
    nap_ms(20);
    stop = 1;
    MUST0(pthread_join(a, NULL));
    MUST0(pthread_join(b, NULL));
    pass();
}
