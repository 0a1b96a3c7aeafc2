// A mapping of one's own that grows downwards goes on to do so.
#include "outlast_test.h"

int main(void) {
    // Room below it, that is free.
    char *room = MUST(mmap(NULL, 4 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(munmap(room, 4 << 20));
    char *top = room + (4 << 20) - 4 * 4096;
    char *at = MUST(mmap(top, 4 * 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0));
    at[-4096 * 3] = 3;
    fill(at, 4 * 4096, 1);
    ready();
    wait_go();
    CHECK_FILL("content", at, 4 * 4096, 1);
    SAME("grown before", at[-4096 * 3], 3);
    at[-4096 * 20] = 20;
    SAME("grown after", at[-4096 * 20], 20);
    pass();
}
