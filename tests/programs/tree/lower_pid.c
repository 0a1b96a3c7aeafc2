// A child whose number is lower than its parent's, and a thread's lower than its process's. [tree threads root hard]
// Hard, as it takes numbers that others have only just given back: who tests beside it may still mean those.
#include "outlast_test.h"
#include <linux/sched.h>

// A number below that of this process that nobody has.
static pid_t make_lower(pid_t below) {
    for (pid_t number = below - 1; number > 300 && number > below - 2000; number--) {
        struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1};
        pid_t made = syscall(SYS_clone3, &args, sizeof args);
        if (made >= 0) return made;
        if (errno != EEXIST) skip("no choice of process numbers: %s", strerror(errno));
    }
    skip("no free lower process number");
}

int main(void) {
    pid_t kid = make_lower(getpid());
    if (!kid) {
        pid_t last = make_lower(getpid());
        if (!last) {
            create_("last");
            wait_go();
            HOLDS(getppid() > getpid(), "parent %d of %d", getppid(), getpid());
            done();
        }
        wait_go();
        ended_well(last);
        done();
    }
    UNTIL(exists("last"));
    ready();
    wait_go();
    ended_well(kid);
    pass();
}
