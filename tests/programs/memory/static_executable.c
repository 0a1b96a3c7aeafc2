// A program without shared libraries, at fixed addresses: heap right behind it, clocks, thread-local values, signals. [static threads]
#include "outlast_test.h"

static _Thread_local long local = 5;
static long data = 7, zero;
static atomic_int set, came;

static void on_usr1(int number) {
    (void)number;
    came++;
}

static void *other(void *argument) {
    local = (long)argument;
    set++;
    wait_go();
    SAME("thread-local value", local, (long)argument);
    return argument;
}

int main(void) {
    signal(SIGUSR1, on_usr1);
    pthread_t made = thread(other, (void *)77);
    char *heap = malloc(100000);
    fill(heap, 100000, 1);
    data++;
    zero++;
    UNTIL(set);
    long long before = now_ns(CLOCK_MONOTONIC);
    ready();
    wait_go();
    HOLDS(now_ns(CLOCK_MONOTONIC) >= before, "a clock that goes backwards");
    SAME("thread-local value", local, 5);
    SAME("data", data * 10 + zero, 81);
    CHECK_FILL("heap", heap, 100000, 1);
    HOLDS((uintptr_t)main < 1 << 30, "main at %p", (void *)main);
    raise(SIGUSR1);
    SAME("signal", came, 1);
    MUST0(pthread_join(made, NULL));
    pass();
}
