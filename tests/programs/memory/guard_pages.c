// Guard pages that madvise has installed within a mapping (Linux 6.13): touching them still is SIGSEGV.
#include "outlast_test.h"
#include <setjmp.h>

static sigjmp_buf back;

static void on_segv(int number) { siglongjmp(back, number); }

static bool faults(volatile char *at) {
    if (sigsetjmp(back, 1)) return true;
    (void)*at;
    return false;
}

int main(void) {
    signal(SIGSEGV, on_segv);
    char *at = MUST(mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, 16 * 4096, 1);
    if (madvise(at + 4096, 3 * 4096, 102 /* MADV_GUARD_INSTALL */) < 0) skip("no guard pages: %s", strerror(errno));
    MUST(madvise(at + 2 * 4096, 4096, 103 /* MADV_GUARD_REMOVE */));
    ready();
    wait_go();
    HOLDS(faults(at + 4096) && faults(at + 3 * 4096), "no guard");
    HOLDS(!faults(at) && !faults(at + 2 * 4096) && !faults(at + 4 * 4096), "a guard too many");
    CHECK_FILL("before", at, 4096, 1);
    SAME("between", at[2 * 4096], 0);
    MUST(madvise(at + 4096, 3 * 4096, 103));
    HOLDS(!faults(at + 4096), "a guard that can't be removed");
    pass();
}
