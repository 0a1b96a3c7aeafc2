// Pages of the huge page pool, private and shared. [hard refused:huge]
#include "outlast_test.h"

#define HUGE (2ul << 20)

int main(void) {
    int flags = MAP_ANONYMOUS | MAP_HUGETLB | 21 << 26;
    char *private = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | flags, -1, 0);
    if (private == MAP_FAILED) skip("no huge pages in the pool: %s", strerror(errno));
    fill(private, HUGE, 1);
    ready();
    wait_go();
    CHECK_FILL("content", private, HUGE, 1);
    FAILS(munmap(private, 4096), EINVAL);
    pass();
}
