// Threads within handlers, on an alternate stack and nested; they return to where they were. [signals threads]
#include "outlast_test.h"
#include <ucontext.h>

static atomic_int inside, nested;
static char stack[65536];

static void inner(int number) {
    (void)number;
    nested++;
    wait_go();
}

static void outer(int number, siginfo_t *info, void *context) {
    ucontext_t *before = context;
    greg_t rip = before->uc_mcontext.gregs[REG_RIP];
    volatile char local[1000];
    memset((char *)local, 7, sizeof local);
    SAME("number", number, SIGUSR1);
    SAME("value", info->si_value.sival_int, 5);
    inside++;
    stack_t now;
    MUST(sigaltstack(NULL, &now));
    SAME("on the stack", now.ss_flags, SS_ONSTACK);
    signal_self(SIGUSR2);
    // Here wait_go() has returned, in the nested one.
    MUST(sigaltstack(NULL, &now));
    SAME("still on the stack", now.ss_flags, SS_ONSTACK);
    SAME("sender", info->si_value.sival_int, 5);
    SAME("where it was", before->uc_mcontext.gregs[REG_RIP], rip);
    for (size_t i = 0; i < sizeof local; i++) SAME("local", local[i], 7);
    sigset_t mask;
    MUST0(pthread_sigmask(SIG_SETMASK, NULL, &mask));
    SAME("blocked within", sigismember(&mask, SIGHUP), 1);
    SAME("blocked by itself", sigismember(&mask, SIGUSR1), 1);
    SAME("not blocked", sigismember(&mask, SIGTERM), 0);
}

static void *run(void *argument) {
    stack_t mine = {.ss_sp = stack, .ss_size = sizeof stack};
    MUST(sigaltstack(&mine, NULL));
    union sigval value = {.sival_int = 5};
    volatile double sum = 0.5;
    MUST0(pthread_sigqueue(pthread_self(), SIGUSR1, value));
    for (int i = 0; i < 100; i++) sum = sum + 1;
    SAME("sum", sum * 2, 201);
    sigset_t mask;
    MUST0(pthread_sigmask(SIG_SETMASK, NULL, &mask));
    SAME("mask is back", sigismember(&mask, SIGHUP) | sigismember(&mask, SIGUSR1), 0);
    stack_t now;
    MUST(sigaltstack(NULL, &now));
    SAME("off the stack", now.ss_flags, 0);
    return argument;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = outer, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaddset(&action.sa_mask, SIGHUP);
    MUST(sigaction(SIGUSR1, &action, NULL));
    struct sigaction other = {.sa_handler = inner};
    MUST(sigaction(SIGUSR2, &other, NULL));
    pthread_t made = thread(run, NULL);
    UNTIL(inside && nested);
    ready();
    wait_go();
    MUST0(pthread_join(made, NULL));
    pass();
}
