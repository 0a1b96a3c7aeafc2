// The heap's end is where it was; it grows and shrinks from there.
#include "outlast_test.h"

int main(void) {
    char *start = sbrk(0);
    MUST((long)sbrk(100 * 4096 + 123));
    fill(start, 100 * 4096, 1);
    char *end = sbrk(0);
    ready();
    wait_go();
    HOLDS(sbrk(0) == end, "%p instead of %p", sbrk(0), end);
    CHECK_FILL("heap", start, 100 * 4096, 1);
    char *more = sbrk(200 * 4096);
    HOLDS(more == end, "%p instead of %p", (void *)more, end);
    fill((void *)(((uintptr_t)more + 7) & ~7ul), 199 * 4096, 2);
    CHECK_FILL("heap", start, 100 * 4096, 1);
    HOLDS(brk(start) == 0 && sbrk(0) == start, "%p", sbrk(0));
    HOLDS(sbrk(4096) == start, "another start");
    SAME("fresh", start[4095], 0);
    pass();
}
