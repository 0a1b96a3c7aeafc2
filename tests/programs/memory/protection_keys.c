// Protection keys: which are allocated, what pages have them, and each thread's rights. [threads hard refused:protection]
#include "outlast_test.h"
#include <setjmp.h>

int main(void) {
    int key = pkey_alloc(0, PKEY_DISABLE_WRITE);
    if (key < 0) skip("no protection keys: %s", strerror(errno));
    char *at = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, 8192, 1);
    MUST(pkey_mprotect(at, 4096, PROT_READ | PROT_WRITE, key));
    ready();
    wait_go();
    SAME("rights", pkey_get(key), PKEY_DISABLE_WRITE);
    CHECK_FILL("content", at, 8192, 1);
    MUST(pkey_set(key, PKEY_DISABLE_ACCESS));
    FAILS(write(open("/dev/null", O_WRONLY), at, 1) == 1 ? 0 : -1, EFAULT);
    MUST(pkey_set(key, 0));
    MUST(pkey_free(key));
    pass();
}
