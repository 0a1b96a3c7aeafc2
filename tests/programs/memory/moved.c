// Mappings that mremap has moved, split, joined and grown; two mappings of the same shared pages.
#include "outlast_test.h"

int main(void) {
    char *a = MUST(mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(a, 16 * 4096, 1);
    char *spot = MUST(mmap(NULL, 64 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    // The middle goes elsewhere, and grows there.
    char *moved = MUST(mremap(a + 4 * 4096, 4 * 4096, 8 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, spot + 4096));
    char *kept = MUST(mremap(a + 8 * 4096, 4 * 4096, 4 * 4096, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
    char *shared = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    strcpy(shared, "shared");
    // An old size of 0 maps the same pages once more.
    char *twin = MUST(mremap(shared, 0, 4096, MREMAP_MAYMOVE));
    ready();
    wait_go();
    uint64_t *words = (void *)moved;
    for (size_t i = 0; i < 4 * 512; i++) SAME("moved", words[i], word_at(1, i + 4 * 512));
    SAME("grown", words[4 * 512] | words[8 * 512 - 1], 0);
    words = (void *)kept;
    for (size_t i = 0; i < 4 * 512; i++) SAME("moved, old place kept", words[i], word_at(1, i + 8 * 512));
    SAME("old place", a[8 * 4096], 0);
    CHECK_FILL("beginning", a, 4 * 4096, 1);
    HOLDS(!strcmp(twin, "shared"), "%s", twin);
    strcpy(twin, "by twin");
    HOLDS(!strcmp(shared, "by twin"), "%s", shared);
    MUST(mremap(moved, 8 * 4096, 12 * 4096, MREMAP_MAYMOVE));
    pass();
}
