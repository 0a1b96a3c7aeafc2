// A mapping that reaches beyond the end of its file: the rest of the last page is zero, beyond is SIGBUS; the file grows. [files]
#include "outlast_test.h"
#include <setjmp.h>

static sigjmp_buf back;

static void on_bus(int number) { siglongjmp(back, number); }

static int touch(volatile char *at) {
    int number = sigsetjmp(back, 1);
    if (number) return number;
    (void)*at;
    return 0;
}

int main(void) {
    signal(SIGBUS, on_bus);
    int fd = MUST(open("data", O_RDWR | O_CREAT, 0600));
    MUST(write(fd, "short", 5));
    char *shared = MUST(mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    char *private = MUST(mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    private[0] = 'S';
    ready();
    wait_go();
    for (int i = 0; i < 2; i++) {
        char *at = i ? private : shared;
        HOLDS(!memcmp(at + 1, "hort", 4), "%.4s", at + 1);
        SAME("rest of the page", at[5] | at[4095], 0);
        SAME("beyond", touch(at + 4096), SIGBUS);
    }
    SAME("own change", private[0], 'S');
    SAME("shared", shared[0], 's');
    MUST(ftruncate(fd, 8 * 4096));
    SAME("after growing", touch(shared + 7 * 4096), 0);
    shared[7 * 4096] = 7;
    SAME("after growing, private", private[7 * 4096], 7);
    pass();
}
