// Pipes of other capacities than usual, with more in them than a usual one holds. [files]
#include "outlast_test.h"

int main(void) {
    int large[2], small[2];
    MUST(pipe2(large, O_NONBLOCK));
    MUST(pipe2(small, O_NONBLOCK));
    if (fcntl(large[0], F_SETPIPE_SZ, 1 << 20) < 0) skip("no pipe of 1 MiB: %s", strerror(errno));
    MUST(fcntl(small[0], F_SETPIPE_SZ, 4096));
    size_t size = 900 << 10;
    char *content = malloc(size), *found = malloc(size);
    fill(content, size, 1);
    SAME("written", MUST(write(large[1], content, size)), size);
    SAME("written", MUST(write(small[1], content, 4096)), 4096);
    ready();
    wait_go();
    SAME("large", fcntl(large[1], F_GETPIPE_SZ), 1 << 20);
    SAME("small", fcntl(small[1], F_GETPIPE_SZ), 4096);
    FAILS(write(small[1], "x", 1), EAGAIN);
    size_t got = 0;
    while (got < size) got += MUST(read(large[0], found + got, size - got));
    CHECK_FILL("content", found, size, 1);
    SAME("read", MUST(read(small[0], found, 10000)), 4096);
    CHECK_FILL("content of the small one", found, 4096, 1);
    SAME("again full", MUST(write(large[1], content, size)), size);
    pass();
}
