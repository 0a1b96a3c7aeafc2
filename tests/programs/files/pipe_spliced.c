// A pipe whose content came by splice from a file and by vmsplice from memory, in part used. [files]
#include "outlast_test.h"
#include <sys/uio.h>

int main(void) {
    static char content[3 * 4096], found[6 * 4096], own[4096] __attribute__((aligned(4096)));
    fill(content, sizeof content, 1);
    fill(own, sizeof own, 2);
    write_file("data", content, sizeof content);
    int ends[2], fd = MUST(open("data", O_RDONLY));
    MUST(pipe(ends));
    off_t from = 100;
    SAME("spliced", MUST(splice(fd, &from, ends[1], NULL, 10000, 0)), 10000);
    struct iovec part = {own, 4096};
    SAME("spliced", MUST(vmsplice(ends[1], &part, 1, 0)), 4096);
    MUST(write(ends[1], "end", 3));
    SAME("used", MUST(read(ends[0], found, 50)), 50);
    ready();
    wait_go();
    long got = 50;
    while (got < 14099) got += MUST(read(ends[0], found + got, sizeof found - got));
    SAME("length", got, 14099);
    HOLDS(!memcmp(found, content + 100, 10000), "another content of the file");
    HOLDS(!memcmp(found + 10000, own, 4096), "another content of memory");
    HOLDS(!memcmp(found + 14096, "end", 3), "another end");
    pass();
}
