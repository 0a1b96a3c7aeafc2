// Threads in splice, tee and sendfile between pipes and a file. [threads files]
#include "outlast_test.h"
#include <sys/sendfile.h>

static int from[2], to[2], tee_from[2], tee_to[2], full[2], source;
static long filled;
static char block[65536];

static void splicing(void) { SAME("spliced", splice(from[0], NULL, to[1], NULL, 100, 0), 4); }
static void teeing(void) { SAME("teed", tee(tee_from[0], tee_to[1], 100, 0), 3); }
static void sending(void) {
    off_t offset = 2;
    SAME("sent", sendfile(full[1], source, &offset, 6), 6);
    SAME("offset", offset, 8);
}

int main(void) {
    MUST(pipe(from));
    MUST(pipe(to));
    MUST(pipe(tee_from));
    MUST(pipe(tee_to));
    MUST(pipe2(full, O_NONBLOCK));
    write_file("source", "0123456789", 10);
    source = MUST(open("source", O_RDONLY));
    for (ssize_t part; (part = write(full[1], block, 4096)) > 0;) filled += part;
    MUST(fcntl(full[1], F_SETFL, 0));
    struct blocked *all[] = {block_in(SYS_splice, splicing), block_in(SYS_tee, teeing),
                             block_in(SYS_sendfile, sending)};
    ready();
    wait_go();
    for (int i = 0; i < 3; i++) still_blocked(all[i]);
    MUST(write(from[1], "four", 4));
    MUST(write(tee_from[1], "tee", 3));
    for (long got = 0; got < filled;) got += MUST(read(full[0], block, filled - got < 65536 ? filled - got : 65536));
    for (int i = 0; i < 3; i++) unblocked(all[i]);
    SAME("at the end", MUST(read(to[0], block, 100)), 4);
    SAME("left", MUST(read(tee_from[0], block, 100)), 3);
    SAME("copied", MUST(read(tee_to[0], block, 100)), 3);
    SAME("sent", MUST(read(full[0], block, 100)), 6);
    HOLDS(!memcmp(block, "234567", 6), "%.6s", block);
    pass();
}
