// The devices that everybody has: null, zero, full, random, urandom; with their flags. [files]
#include "outlast_test.h"

int main(void) {
    int null = MUST(open("/dev/null", O_RDWR | O_APPEND)), zero = MUST(open("/dev/zero", O_RDWR)),
        full = MUST(open("/dev/full", O_RDWR)), random = MUST(open("/dev/random", O_RDONLY | O_NONBLOCK)),
        urandom = MUST(open("/dev/urandom", O_RDONLY | O_CLOEXEC));
    char *private = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0));
    private[4096] = 5;
    char *shared = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0));
    shared[1] = 6;
    ready();
    wait_go();
    char text[16] = "0123456789";
    SAME("null read", MUST(read(null, text, 4)), 0);
    SAME("null written", MUST(write(null, text, 4)), 4);
    SAME("flags of null", fcntl(null, F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
    SAME("zero read", MUST(read(zero, text, 4)), 4);
    SAME("zeros", text[0] | text[1] | text[2] | text[3], 0);
    FAILS(write(full, text, 4), ENOSPC);
    SAME("random read", MUST(read(random, text, 4)), 4);
    SAME("urandom read", MUST(read(urandom, text, 16)), 16);
    SAME("flags of random", fcntl(random, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    SAME("close on exec", fcntl(urandom, F_GETFD), FD_CLOEXEC);
    SAME("private", private[4096], 5);
    SAME("shared", shared[1], 6);
    pass();
}
