// Children made with another exit signal than SIGCHLD, or with none. [tree signals]
#include "outlast_test.h"

static atomic_int usr1, chld;

static void on_signal(int number) { *(number == SIGUSR1 ? &usr1 : &chld) += 1; }

static pid_t clone_with(int exit_signal) {
    pid_t made = MUST(syscall(SYS_clone, exit_signal, NULL, NULL, NULL, NULL));
    if (!made) {
        wait_go();
        _exit(exit_signal);
    }
    return made;
}

int main(void) {
    signal(SIGUSR1, on_signal);
    signal(SIGCHLD, on_signal);
    pid_t silent = clone_with(0), with_usr1 = clone_with(SIGUSR1);
    ready();
    wait_go();
    int status;
    FAILS(waitpid(-1, &status, 0), ECHILD);
    SAME("silent", MUST(waitpid(silent, &status, __WCLONE)), silent);
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", status);
    SAME("with SIGUSR1", MUST(waitpid(with_usr1, &status, __WALL)), with_usr1);
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == SIGUSR1, "%#x", status);
    SAME("SIGUSR1", usr1, 1);
    SAME("SIGCHLD", chld, 0);
    pass();
}
