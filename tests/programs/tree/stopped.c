// A stopped child stays stopped, and goes on when it is told to. [tree]
#include "outlast_test.h"

int main(void) {
    pid_t kid = child();
    if (!kid) {
        raise(SIGSTOP);
        create_("continued");
        UNTIL(exists("seen"));
        done();
    }
    int status;
    SAME("stopped", waitpid(kid, &status, WUNTRACED), kid);
    HOLDS(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "%#x", status);
    ready();
    wait_go();
    nap_ms(10);
    HOLDS(!exists("continued"), "it goes on");
    // That it is stopped was reported once, before.
    SAME("reported again", waitpid(kid, &status, WUNTRACED | WCONTINUED | WNOHANG), 0);
    MUST(kill(kid, SIGCONT));
    SAME("continued", waitpid(kid, &status, WCONTINUED), kid);
    HOLDS(WIFCONTINUED(status), "%#x", status);
    create_("seen");
    ended_well(kid);
    HOLDS(exists("continued"), "it ended otherwise");
    pass();
}
