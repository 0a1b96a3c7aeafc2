// A user other than root who has kept one capability. [root]
#include "capabilities.h"

int main(void) {
    if (getuid()) skip("not root");
    MUST(prctl(PR_SET_KEEPCAPS, 1));
    MUST(setresgid(65534, 65534, 65534));
    MUST(setresuid(65534, 65534, 65534));
    struct sets sets = get();
    sets.data[0].effective = sets.data[0].permitted = 1 << CAP_DAC_READ_SEARCH;
    sets.data[1].effective = sets.data[1].permitted = 0;
    set_to(&sets);
    ready();
    wait_go();
    sets = get();
    SAME("effective", sets.data[0].effective, 1 << CAP_DAC_READ_SEARCH);
    SAME("permitted", sets.data[0].permitted, 1 << CAP_DAC_READ_SEARCH);
    SAME("the rest", sets.data[1].permitted, 0);
    SAME("user", geteuid(), 65534);
    FAILS(setuid(0), EPERM);
    pass();
}
