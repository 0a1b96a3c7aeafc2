// A negative nice value, which only a privileged restorer may give. [root]
#include "outlast_test.h"
#include <sys/resource.h>

int main(void) {
    if (setpriority(PRIO_PROCESS, 0, -5) < 0) skip("no CAP_SYS_NICE");
    ready();
    wait_go();
    SAME("nice", getpriority(PRIO_PROCESS, 0), -5);
    pass();
}
