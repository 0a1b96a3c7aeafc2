// Locked memory: of one mapping, on fault, and of all that comes.
#include "outlast_test.h"
#include <sys/resource.h>

static bool resident(void *at) {
    unsigned char there;
    MUST(mincore(at, 4096, &there));
    return there & 1;
}

int main(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    char *at = MUST(mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, 32 * 4096, 1);
    MUST(mlock(at, 16 * 4096));
    MUST(mlock2(at + 40 * 4096, 8 * 4096, MLOCK_ONFAULT));
    if (mlockall(MCL_FUTURE) < 0) skip("no mlockall: %s", strerror(errno));
    ready();
    wait_go();
    CHECK_FILL("content", at, 32 * 4096, 1);
    // A locked page can't be thrown away.
    FAILS(madvise(at, 4096, MADV_DONTNEED), EINVAL);
    FAILS(madvise(at + 40 * 4096, 4096, MADV_DONTNEED), EINVAL);
    MUST(madvise(at + 20 * 4096, 4096, MADV_DONTNEED));
    SAME("thrown away", at[20 * 4096], 0);
    char *later = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    HOLDS(resident(later), "memory that came later isn't locked");
    FAILS(madvise(later, 4096, MADV_DONTNEED), EINVAL);
    MUST(munlockall());
    MUST(madvise(at, 4096, MADV_DONTNEED));
    pass();
}
