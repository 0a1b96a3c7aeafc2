// A zombie whose SIGCHLD was handled long ago: no second one comes. One that is pending comes once, with its story. [tree signals]
#include "outlast_test.h"

static atomic_int came;

static void on_chld(int number) {
    (void)number;
    came++;
}

int main(void) {
    signal(SIGCHLD, on_chld);
    pid_t first = child();
    if (!first) _exit(3);
    UNTIL(came == 1);
    pid_t other = child();
    if (!other) {
        // Here it is blocked, and pending.
        sigset_t chld;
        sigemptyset(&chld);
        sigaddset(&chld, SIGCHLD);
        MUST(sigprocmask(SIG_BLOCK, &chld, NULL));
        pid_t last = child();
        if (!last) _exit(4);
        until_state(last, 'Z');
        create_("pending");
        wait_go();
        struct timespec none = {0, 0};
        siginfo_t info;
        SAME("signal", MUST(sigtimedwait(&chld, &info, &none)), SIGCHLD);
        SAME("child", info.si_pid, last);
        SAME("status", info.si_status, 4);
        SAME("code", info.si_code, CLD_EXITED);
        FAILS(sigtimedwait(&chld, &info, &none), EAGAIN);
        int status;
        SAME("child", waitpid(last, &status, 0), last);
        SAME("status", status, 4 << 8);
        UNTIL(exists("checked"));
        done();
    }
    UNTIL(exists("pending"));
    ready();
    wait_go();
    SAME("SIGCHLD", came, 1);
    int status;
    SAME("first", waitpid(first, &status, 0), first);
    SAME("status", status, 3 << 8);
    create_("checked");
    ended_well(other);
    pass();
}
