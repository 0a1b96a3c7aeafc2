// Secure bits, some of them locked. [root]
#include "outlast_test.h"
#include <linux/securebits.h>

int main(void) {
    int bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS_LOCKED;
    if (prctl(PR_SET_SECUREBITS, bits) < 0) skip("no CAP_SETPCAP");
    ready();
    wait_go();
    SAME("bits", prctl(PR_GET_SECUREBITS), bits);
    FAILS(prctl(PR_SET_SECUREBITS, 0), EPERM);
    pass();
}
