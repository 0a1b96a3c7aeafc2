// Coroutines: stacks switched by hand, the stack pointer far from what the kernel calls the stack.
#include "outlast_test.h"
#include <ucontext.h>

static ucontext_t root, others[8];
static int steps;

static void run(int index) {
    volatile char local[1000];
    memset((char *)local, index, sizeof local);
    for (int round = 0; round < 3; round++) {
        if (index == 3 && round == 1) {
            ready();
            wait_go();
        }
        for (size_t i = 0; i < sizeof local; i++) SAME("on the stack", local[i], index);
        steps++;
        swapcontext(&others[index], &others[(index + 1) % 8]);
    }
}

int main(void) {
    for (int i = 0; i < 8; i++) {
        getcontext(&others[i]);
        others[i].uc_stack.ss_sp = malloc(65536);
        others[i].uc_stack.ss_size = 65536;
        others[i].uc_link = &root;
        makecontext(&others[i], (void (*)(void))run, 1, i);
    }
    swapcontext(&root, &others[0]);
    SAME("steps", steps, 24);
    pass();
}
