// A thread reads from an empty pipe, another writes to a full one. [threads files]
#include "outlast_test.h"
#include <sys/uio.h>

static int empty[2], full[2];
static long filled;
static char block[4096];

static void reader(void) {
    char text[8];
    struct iovec parts[2] = {{text, 2}, {text + 2, 6}};
    SAME("read", readv(empty[0], parts, 2), 5);
    HOLDS(!memcmp(text, "hello", 5), "%.5s", text);
}

static void writer(void) { SAME("written", write(full[1], "0123456789", 10), 10); }

int main(void) {
    MUST(pipe(empty));
    MUST(pipe2(full, O_NONBLOCK));
    for (ssize_t part; (part = write(full[1], block, sizeof block)) > 0;) filled += part;
    MUST(fcntl(full[1], F_SETFL, 0));
    struct blocked *r = block_in(SYS_readv, reader), *w = block_in(SYS_write, writer);
    ready();
    wait_go();
    still_blocked(r);
    still_blocked(w);
    MUST(write(empty[1], "hello", 5));
    unblocked(r);
    for (long got = 0; got < filled;) got += MUST(read(full[0], block, 4096 < filled - got ? 4096 : filled - got));
    unblocked(w);
    SAME("what was waiting", MUST(read(full[0], block, sizeof block)), 10);
    HOLDS(!memcmp(block, "0123456789", 10), "%.10s", block);
    pass();
}
