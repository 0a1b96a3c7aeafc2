// Pages that were only read, pages full of zeros, and pages of one repeated content.
#include "outlast_test.h"

#define PAGES 256

int main(void) {
    char *only_read = MUST(mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *zeroed = MUST(mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    char *same = MUST(mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    int sum = 0;
    for (int i = 0; i < PAGES; i += 2) sum += ((volatile char *)only_read)[i * 4096];
    memset(zeroed, 1, PAGES * 4096);
    memset(zeroed, 0, PAGES * 4096);
    zeroed[77 * 4096 + 4095] = 1;
    for (int i = 0; i < PAGES; i++) fill(same + i * 4096, 4096, i % 3 == 0 ? 5 : 6);
    // Zeros over a file's content: not to be left out.
    char *content = malloc(4 * 4096);
    fill(content, 4 * 4096, 1);
    write_file("data", content, 4 * 4096);
    int fd = MUST(open("data", O_RDONLY));
    char *file = MUST(mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    memset(file + 4096, 0, 4096);
    ready();
    wait_go();
    for (int i = 0; i < PAGES * 4096; i++) sum += only_read[i];
    SAME("only read", sum, 0);
    for (int i = 0; i < PAGES * 4096; i++) SAME("zeroed", zeroed[i], i == 77 * 4096 + 4095);
    for (int i = 0; i < PAGES; i++) CHECK_FILL("repeated", same + i * 4096, 4096, i % 3 == 0 ? 5 : 6);
    for (int i = 0; i < 4096; i++) SAME("zeros over a file", file[4096 + i], 0);
    CHECK_FILL("file", file, 4096, 1);
    // The repeated ones aren't one page now.
    same[0] ^= 1;
    CHECK_FILL("its equal", same + 3 * 4096, 4096, 5);
    pass();
}
