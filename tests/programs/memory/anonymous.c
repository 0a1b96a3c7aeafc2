// Private anonymous memory keeps its content, at its place.
#include "outlast_test.h"

#define SIZE (8 << 20)

int main(void) {
    char *a = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *b = malloc(1 << 20);
    fill(a, SIZE, 1);
    fill(b, 1 << 20, 2);
    // A hole between two mappings of other protections.
    MUST(mprotect(a + SIZE / 2, 4096, PROT_READ));
    MUST(munmap(a + SIZE / 4, 4096));
    ready();
    wait_go();
    CHECK_FILL("first quarter", a, SIZE / 4, 1);
    for (size_t at = SIZE / 4 + 4096; at < SIZE; at += 8) {
        uint64_t found = *(uint64_t *)(a + at);
        HOLDS(found == word_at(1, at / 8), "%#llx at %zu", (unsigned long long)found, at);
    }
    CHECK_FILL("heap", b, 1 << 20, 2);
    // The hole is one still: mapping there, if nothing is there, succeeds.
    void *hole = MUST(mmap(a + SIZE / 4, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    HOLDS(hole == a + SIZE / 4, "%p", hole);
    fill(a, SIZE / 8, 3);
    CHECK_FILL("written after", a, SIZE / 8, 3);
    free(b);
    pass();
}
