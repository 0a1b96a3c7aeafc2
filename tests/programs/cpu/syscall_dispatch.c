// System calls dispatched to the program itself stay so, with their switch. [hard signals]
#include "outlast_test.h"

static volatile char switch_;
static volatile sig_atomic_t caught;

static void on_sys(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    switch_ = 0;
    caught = info->si_syscall;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGSYS, &action, NULL));
    if (prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &switch_) < 0) skip("%s", strerror(errno));
    ready();
    wait_go();
    switch_ = 1;
    syscall(SYS_getppid);
    switch_ = 0;
    SAME("caught", caught, SYS_getppid);
    pass();
}
