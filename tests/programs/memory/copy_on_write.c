// Memory after fork: equal where nobody wrote, and each process has its own changes. [tree]
#include "outlast_test.h"

#define SIZE (2 << 20)

int main(void) {
    char *at = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, SIZE, 1);
    pid_t kid = child();
    if (!kid) {
        fill(at + 4096, 4096, 2);
        create_("written");
        wait_go();
        CHECK_FILL("unchanged in the child", at, 4096, 1);
        CHECK_FILL("child's own", at + 4096, 4096, 2);
        fill(at, SIZE, 4);
        create_("overwritten");
        done();
    }
    UNTIL(exists("written"));
    fill(at + 8192, 4096, 3);
    ready();
    wait_go();
    UNTIL(exists("overwritten"));
    CHECK_FILL("unchanged", at, 8192, 1);
    CHECK_FILL("parent's own", at + 8192, 4096, 3);
    for (size_t i = 12288 / 8; i < SIZE / 8; i++) SAME("word", ((uint64_t *)at)[i], word_at(1, i));
    ended_well(kid);
    pass();
}
