// Pages that the kernel may take (MADV_FREE): each is what it was, or zero; written again it is kept.
#include "outlast_test.h"

#define PAGES 64

int main(void) {
    char *at = MUST(mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, PAGES * 4096, 1);
    MUST(madvise(at, PAGES / 2 * 4096, MADV_FREE));
    for (int i = 0; i < PAGES / 4; i++) fill(at + i * 4096, 4096, 100 + i);
    ready();
    wait_go();
    for (int i = 0; i < PAGES / 4; i++) CHECK_FILL("written again", at + i * 4096, 4096, 100 + i);
    for (int i = PAGES / 4; i < PAGES / 2; i++)
        for (int j = 0; j < 512; j++) {
            uint64_t found = ((uint64_t *)at)[i * 512 + j];
            HOLDS(found == 0 || found == word_at(1, i * 512 + j), "%#lx", (unsigned long)found);
        }
    for (int i = PAGES / 2 * 512; i < PAGES * 512; i++) SAME("kept", ((uint64_t *)at)[i], word_at(1, i));
    pass();
}
