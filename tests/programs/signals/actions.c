// All actions, with flags, masks and restorers; the process's mask.
#include "outlast_test.h"

struct kernel_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

static volatile sig_atomic_t handled, handled_code, handled_value;

static void handler(int number) { handled = number; }

static void handler_info(int number, siginfo_t *info, void *context) {
    (void)context;
    handled = number;
    handled_code = info->si_code;
    handled_value = info->si_value.sival_int;
}

static long action(int number, struct kernel_action *set, struct kernel_action *get) {
    return syscall(SYS_rt_sigaction, number, set, get, 8);
}

int main(void) {
    struct kernel_action before[65], after;
    unsigned long flags[] = {0,
                             SA_RESTART,
                             SA_NODEFER,
                             SA_RESETHAND,
                             SA_ONSTACK,
                             SA_NOCLDSTOP | SA_RESTART,
                             SA_SIGINFO | SA_NODEFER | SA_RESTART};
    struct sigaction normal = {.sa_handler = handler};
    MUST(sigaction(SIGUSR1, &normal, NULL));
    MUST(action(SIGUSR1, NULL, &before[SIGUSR1]));
    for (int n = 1; n <= 64; n++) {
        if (n == SIGKILL || n == SIGSTOP) continue;
        unsigned long f = flags[n % 7];
        struct kernel_action set = {f & SA_SIGINFO ? (void *)handler_info : (void *)handler,
                                    f | 0x04000000, before[SIGUSR1].restorer, (uint64_t)n * 0x1001001001};
        if (n % 5 == 1) set = (struct kernel_action){SIG_IGN, f & ~(unsigned long)SA_SIGINFO, NULL, n};
        // Default, with the flags that mean something then.
        if (n == SIGCHLD) set = (struct kernel_action){SIG_DFL, SA_NOCLDSTOP | SA_NOCLDWAIT, NULL, 0};
        else if (n % 5 == 2) set = (struct kernel_action){SIG_DFL, 0, NULL, 0};
        MUST(action(n, &set, NULL));
        MUST(action(n, NULL, &before[n]));
    }
    uint64_t mask = 0x8000000000001000 | 1ull << (SIGTERM - 1), found;
    MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8));
    ready();
    wait_go();
    for (int n = 1; n <= 64; n++) {
        if (n == SIGKILL || n == SIGSTOP) continue;
        MUST(action(n, NULL, &after));
        HOLDS(after.handler == before[n].handler, "signal %d: %p instead of %p", n, after.handler, before[n].handler);
        HOLDS(after.flags == before[n].flags, "signal %d: %#lx, not %#lx", n, after.flags, before[n].flags);
        HOLDS(after.restorer == before[n].restorer, "signal %d: restorer %p", n, after.restorer);
        HOLDS(after.mask == before[n].mask, "signal %d: mask %#lx", n, (unsigned long)after.mask);
    }
    MUST(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &found, 8));
    SAME("mask", found, mask);
    // 34 has SA_SIGINFO, and isn't blocked.
    union sigval value = {.sival_int = 99};
    MUST(sigqueue(getpid(), 34, value));
    SAME("signal", handled, 34);
    SAME("code", handled_code, SI_QUEUE);
    SAME("value", handled_value, 99);
    pass();
}
