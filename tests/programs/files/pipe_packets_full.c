// A pipe of packets in which every slot is taken, by packets of different lengths. [files]
#include "outlast_test.h"

int main(void) {
    int ends[2];
    static char block[4096], found[4096];
    MUST(pipe2(ends, O_DIRECT | O_NONBLOCK));
    fill(block, sizeof block, 1);
    int count = 0;
    while (write(ends[1], block + count, 1 + count * 97 % 3000) > 0) count++;
    ready();
    wait_go();
    FAILS(write(ends[1], "x", 1), EAGAIN);
    for (int i = 0; i < count; i++) {
        SAME("length", MUST(read(ends[0], found, sizeof found)), 1 + i * 97 % 3000);
        HOLDS(!memcmp(found, block + i, 1 + i * 97 % 3000), "another packet %d", i);
    }
    FAILS(read(ends[0], found, 1), EAGAIN);
    pass();
}
