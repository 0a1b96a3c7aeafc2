// As many mappings as the system allows. [hard slow]
#include "outlast_test.h"

int main(void) {
    char *at = MUST(mmap(NULL, 1l << 32, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    long count = 0;
    while (count < 500000 && mprotect(at + count * 8192, 4096, PROT_READ | PROT_WRITE) == 0) count++;
    if (count == 500000) skip("no limit of mappings");
    SAME("no more mappings", errno, ENOMEM);
    for (long i = 0; i < count; i += 1000) fill(at + i * 8192, 4096, i);
    ready();
    wait_go();
    for (long i = 0; i < count; i += 1000) CHECK_FILL("page", at + i * 8192, 4096, i);
    FAILS(mprotect(at + (count + 1) * 8192, 4096, PROT_READ | PROT_WRITE), ENOMEM);
    pass();
}
