// Shared anonymous memory between parent, child and grandchild is one memory still. [tree]
#include "outlast_test.h"

#define SIZE (1 << 20)

int main(void) {
    uint64_t *at = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    fill(at, SIZE / 2, 1);
    pid_t kid = child();
    if (!kid) {
        // At another address, in part.
        char *moved = MUST(mremap((char *)at + SIZE / 2, SIZE / 2, SIZE / 2, MREMAP_MAYMOVE));
        pid_t last = child();
        if (!last) {
            wait_go();
            fill(moved, 4096, 2);
            done();
        }
        wait_go();
        ended_well(last);
        CHECK_FILL("of the grandchild", moved, 4096, 2);
        fill(moved + 4096, 4096, 3);
        done();
    }
    ready();
    wait_go();
    ended_well(kid);
    CHECK_FILL("first half", at, SIZE / 2, 1);
    CHECK_FILL("of the grandchild", (char *)at + SIZE / 2, 4096, 2);
    CHECK_FILL("of the child", (char *)at + SIZE / 2 + 4096, 4096, 3);
    SAME("untouched", at[SIZE / 8 - 1], 0);
    pass();
}
