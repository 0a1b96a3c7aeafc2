// A large write to a pipe, of which a part has been taken already: nothing is lost or doubled. [threads files hard]
#include "outlast_test.h"

#define SIZE (1 << 20)

static int both[2];
static char *all;

// A write that is stopped, by whatever, may return with what it has written so far: so it was before checkpoints.
static void writer(void) {
    for (long sent = 0; sent < SIZE;) {
        long part = MUST(write(both[1], all + sent, SIZE - sent));
        HOLDS(part > 0, "%ld", part);
        sent += part;
    }
}

int main(void) {
    all = malloc(SIZE);
    char *found = malloc(SIZE);
    fill(all, SIZE, 3);
    MUST(pipe(both));
    struct blocked *one = block_in(SYS_write, writer);
    long got = 0;
    while (got < 100000) got += MUST(read(both[0], found + got, 10000));
    until_in_call(one->tid, SYS_write);
    ready();
    wait_go();
    while (got < SIZE) {
        long part = MUST(read(both[0], found + got, SIZE - got));
        HOLDS(part > 0, "an end after %ld bytes", got);
        got += part;
    }
    CHECK_FILL("received", found, SIZE, 3);
    unblocked(one);
    pass();
}
