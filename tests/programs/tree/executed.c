// A child that has executed another program: a shell, with a child of its own. [tree]
#include "outlast_test.h"

int main(void) {
    pid_t kid = child();
    if (!kid) {
        execl("/bin/sh", "sh", "-c", "x=1; : > started; while ! [ -e go ]; do sleep 0.02; x=$((x+1)); done; [ $x -ge 1 ]",
              (char *)NULL);
        fail("no /bin/sh: %s", strerror(errno));
    }
    UNTIL(exists("started"));
    ready();
    wait_go();
    ended_well(kid);
    pass();
}
