// A thread waits for a futex without a timeout. [threads]
#include "outlast_test.h"
#include <linux/futex.h>

static atomic_int word = 5;

static void body(void) {
    SAME("futex", syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, NULL, NULL, 0), 0);
    SAME("word", word, 6);
}

int main(void) {
    struct blocked *one = block_in(SYS_futex, body);
    ready();
    wait_go();
    still_blocked(one);
    word = 6;
    SAME("woken", MUST(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0)), 1);
    unblocked(one);
    pass();
}
