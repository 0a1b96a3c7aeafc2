// A parent that waits in vfork, while its child shares its memory. [tree refused:vfork]
// Such a parent can't be stopped by ptrace: its wait ends by its child, or by SIGKILL only.
#include "outlast_test.h"

static volatile int written;

int main(void) {
    pid_t middle = child();
    if (!middle) {
        volatile int on_stack = 5;
        pid_t self = getpid();
        pid_t kid = vfork();
        if (!kid) {
            create_("vforked");
            wait_go();
            if (getppid() != self) _exit(8);
            written = 77;
            _exit(7);
        }
        SAME("written by the child", written, 77);
        SAME("on the stack", on_stack, 5);
        int status;
        SAME("child", waitpid(kid, &status, 0), kid);
        HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 7, "%#x", status);
        done();
    }
    UNTIL(exists("vforked"));
    ready();
    wait_go();
    ended_well(middle);
    pass();
}
