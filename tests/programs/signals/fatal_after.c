// A signal that kills still kills, and the child's status says which. [signals tree]
#include "outlast_test.h"

int main(void) {
    int numbers[] = {SIGTERM, SIGSEGV, SIGKILL, SIGALRM, SIGRTMIN + 2};
    pid_t kids[5];
    for (int i = 0; i < 5; i++)
        if (!(kids[i] = child())) {
            for (;;) pause();
        }
    for (int i = 0; i < 5; i++) until_in_call(kids[i], SYS_pause);
    ready();
    wait_go();
    for (int i = 0; i < 5; i++) {
        int status;
        MUST(kill(kids[i], numbers[i]));
        SAME("child", waitpid(kids[i], &status, 0), kids[i]);
        HOLDS(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i], "%#x", status);
    }
    pass();
}
