// Zombies made with another exit signal, or none, are waited for as before. [tree hard]
#include "outlast_test.h"

static pid_t clone_with(int exit_signal) {
    pid_t made = MUST(syscall(SYS_clone, exit_signal, NULL, NULL, NULL, NULL));
    if (!made) _exit(3);
    return made;
}

int main(void) {
    signal(SIGUSR1, SIG_IGN);
    pid_t silent = clone_with(0), other = clone_with(SIGUSR1);
    until_state(silent, 'Z');
    until_state(other, 'Z');
    ready();
    wait_go();
    int status;
    FAILS(waitpid(-1, &status, WNOHANG), ECHILD);
    SAME("silent", MUST(waitpid(silent, &status, __WCLONE)), silent);
    SAME("status", status, 3 << 8);
    SAME("other", MUST(waitpid(other, &status, __WCLONE)), other);
    SAME("status", status, 3 << 8);
    pass();
}
