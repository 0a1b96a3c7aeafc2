// Five thousand small mappings, of changing protections.
#include "outlast_test.h"

#define COUNT 5000

int main(void) {
    char *at = MUST(mmap(NULL, COUNT * 2 * 4096l, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (long i = 0; i < COUNT; i++) {
        if (i % 3 == 0) fill(at + i * 8192, 4096, i);
        MUST(mprotect(at + i * 8192 + 4096, 4096, PROT_READ));
    }
    ready();
    wait_go();
    for (long i = 0; i < COUNT; i++) {
        if (i % 3 == 0) CHECK_FILL("page", at + i * 8192, 4096, i);
        SAME("between", at[i * 8192 + 4096], 0);
    }
    pass();
}
