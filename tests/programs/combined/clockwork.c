// Work goes on during the cycles: a sequence written to a file, a hash over all, no step lost or doubled. [files]
#include "outlast_test.h"

static uint64_t step(uint64_t hash, uint64_t number) { return (hash ^ word_at(5, number)) * 0x100000001b3u; }

int main(void) {
    int fd = MUST(open("sequence", O_RDWR | O_CREAT, 0600));
    uint64_t number = 0, hash = 1;
    for (;;) {
        hash = step(hash, number);
        uint64_t record[2] = {number, hash};
        SAME("written", MUST(write(fd, record, sizeof record)), sizeof record);
        number++;
        if (number == 1000) ready();
        if (number % 64 == 0) {
            struct timespec ms = {0, MS};
            MUST(nanosleep(&ms, NULL));
            if (number > 1000 && may_go()) break;
        }
    }
    SAME("offset", MUST(lseek(fd, 0, SEEK_CUR)), number * 16);
    // What was written after a checkpoint, and again after going back to it, is the same.
    MUST(lseek(fd, 0, SEEK_SET));
    uint64_t again = 1;
    for (uint64_t i = 0; i < number; i++) {
        uint64_t record[2];
        SAME("read", MUST(read(fd, record, sizeof record)), sizeof record);
        again = step(again, i);
        SAME("number", record[0], i);
        SAME("hash", record[1], again);
    }
    pass();
}
