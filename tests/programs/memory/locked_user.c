// Memory that was locked before the privileges were given up, and more than the limit allows now. [root]
#include "outlast_test.h"
#include <sys/resource.h>

int main(void) {
    if (getuid()) skip("not root");
    char *at = MUST(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, 1 << 20, 1);
    MUST(mlock(at, 1 << 20));
    struct rlimit none = {4096, 4096};
    MUST(setrlimit(RLIMIT_MEMLOCK, &none));
    MUST(setresgid(65534, 65534, 65534));
    MUST(setresuid(65534, 65534, 65534));
    ready();
    wait_go();
    CHECK_FILL("content", at, 1 << 20, 1);
    FAILS(madvise(at, 4096, MADV_DONTNEED), EINVAL);
    char *more = MUST(mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    FAILS(mlock(more, 65536), ENOMEM);
    pass();
}
