// A program that handles SIGTRAP itself, has it blocked or pending: what a tracer uses is the program's own. [signals threads]
#include "outlast_test.h"

static volatile sig_atomic_t traps;
static atomic_int set;

static void on_trap(int number) {
    (void)number;
    traps++;
}

static void *blocking(void *argument) {
    sigset_t trap, pending;
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    MUST0(pthread_sigmask(SIG_BLOCK, &trap, NULL));
    signal_self(SIGTRAP);
    set++;
    wait_go();
    MUST(sigpending(&pending));
    SAME("pending", sigismember(&pending, SIGTRAP), 1);
    SAME("handled", traps, 1);
    siginfo_t info;
    // By itself: the C library makes SI_USER of SI_TKILL.
    SAME("taken", MUST(syscall(SYS_rt_sigtimedwait, &trap, &info, NULL, 8)), SIGTRAP);
    SAME("code", info.si_code, SI_TKILL);
    return argument;
}

int main(void) {
    signal(SIGTRAP, on_trap);
    asm volatile("int3");
    SAME("handled", traps, 1);
    pthread_t made = thread(blocking, NULL);
    UNTIL(set);
    ready();
    wait_go();
    MUST0(pthread_join(made, NULL));
    asm volatile("int3");
    SAME("handled", traps, 2);
    pass();
}
