// Transparent huge pages: content whole, in part, with holes and protections within one.
#include "outlast_test.h"

#define HUGE (2ul << 20)

int main(void) {
    char *raw = MUST(mmap(NULL, 6 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *at = (char *)(((uintptr_t)raw + HUGE - 1) & ~(HUGE - 1));
    if (madvise(at, 4 * HUGE, MADV_HUGEPAGE) < 0) skip("no huge pages: %s", strerror(errno));
    fill(at, 3 * HUGE, 1);
    MUST(madvise(at + HUGE + 4096, 8192, MADV_DONTNEED));
    MUST(mprotect(at + 2 * HUGE + 40960, 4096, PROT_READ));
    ready();
    wait_go();
    CHECK_FILL("first", at, HUGE, 1);
    uint64_t *words = (void *)at;
    SAME("hole", words[(HUGE + 4096) / 8] | words[(HUGE + 12280) / 8], 0);
    for (size_t i = (HUGE + 12288) / 8; i < 3 * HUGE / 8; i++) SAME("word", words[i], word_at(1, i));
    SAME("never touched", words[3 * HUGE / 8], 0);
    fill(at, 4096, 2);
    pass();
}
