// Memory that is writable is never executable (PR_SET_MDWE), which can't be taken back. [hard]
#include "outlast_test.h"

int main(void) {
    if (prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) < 0) skip("no PR_SET_MDWE: %s", strerror(errno));
    ready();
    wait_go();
    SAME("setting", prctl(66 /* PR_GET_MDWE */, 0, 0, 0, 0), 1);
    FAILS(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EACCES);
    pass();
}
