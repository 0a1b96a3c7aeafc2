// 64 GiB of address space of which three pages were touched.
#include "outlast_test.h"

#define SIZE (64ul << 30)

int main(void) {
    char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) skip("no 64 GiB of address space: %s", strerror(errno));
    char *shared = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    size_t places[] = {0, SIZE / 3 & ~4095ul, SIZE - 4096};
    for (int i = 0; i < 3; i++) {
        fill(at + places[i], 4096, i);
        fill(shared + places[i], 4096, i + 10);
    }
    ready();
    wait_go();
    for (int i = 0; i < 3; i++) {
        CHECK_FILL("page", at + places[i], 4096, i);
        CHECK_FILL("shared page", shared + places[i], 4096, i + 10);
    }
    SAME("untouched", at[SIZE / 2] | shared[SIZE / 2], 0);
    at[SIZE / 2] = 1;
    pass();
}
