// Children that ended and weren't waited for yet are zombies with their statuses still. [tree]
#include "outlast_test.h"

int main(void) {
    pid_t exited = child();
    if (!exited) _exit(42);
    pid_t killed = child();
    if (!killed) {
        for (;;) pause();
    }
    MUST(kill(killed, SIGTERM));
    pid_t cored = child();
    if (!cored) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    until_state(exited, 'Z');
    until_state(killed, 'Z');
    until_state(cored, 'Z');
    ready();
    wait_go();
    siginfo_t info = {0};
    MUST(waitid(P_PID, exited, &info, WEXITED | WNOWAIT | WNOHANG));
    SAME("pid", info.si_pid, exited);
    SAME("code", info.si_code, CLD_EXITED);
    SAME("status", info.si_status, 42);
    int status;
    SAME("exited", waitpid(exited, &status, 0), exited);
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 42, "%#x", status);
    SAME("killed", waitpid(killed, &status, 0), killed);
    HOLDS(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "%#x", status);
    SAME("cored", waitpid(cored, &status, 0), cored);
    HOLDS(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "%#x", status);
    FAILS(waitpid(-1, &status, 0), ECHILD);
    pass();
}
