// A heap with a hole in it, and a mapping right behind its end, which it can't grow into.
#include "outlast_test.h"

int main(void) {
    char *start = (char *)(((uintptr_t)sbrk(0) + 4095) & ~4095ul);
    MUST(brk(start + 64 * 4096));
    fill(start, 64 * 4096, 1);
    MUST(munmap(start + 16 * 4096, 4096));
    char *wall = MUST(mmap(start + 66 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    ready();
    wait_go();
    HOLDS(sbrk(0) == start + 64 * 4096, "another end");
    CHECK_FILL("before the hole", start, 16 * 4096, 1);
    MUST(munmap(start + 16 * 4096, 4096));
    MUST(mmap(start + 16 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    FAILS(brk(start + 80 * 4096), ENOMEM);
    MUST(munmap(wall, 4096));
    MUST(brk(start + 80 * 4096));
    SAME("fresh", start[79 * 4096], 0);
    pass();
}
