// The flags, and the 128 bytes below the stack pointer, of loops that are stopped anywhere. [threads]
#include "outlast_test.h"

static volatile int stop;
static atomic_int spinning;

static void *red_zone(void *argument) {
    uint64_t bad;
    spinning++;
    asm volatile("mov $0x5a5a5a5a11223344, %%rax\n"
                 "mov %%rax, -8(%%rsp)\n mov %%rax, -64(%%rsp)\n mov %%rax, -128(%%rsp)\n"
                 "1: pause\n cmpl $0, (%1)\n je 1b\n"
                 "xor %0, %0\n"
                 "cmp %%rax, -8(%%rsp)\n je 2f\n or $1, %0\n"
                 "2: cmp %%rax, -64(%%rsp)\n je 3f\n or $2, %0\n"
                 "3: cmp %%rax, -128(%%rsp)\n je 4f\n or $4, %0\n"
                 "4:\n"
                 : "=&r"(bad)
                 : "r"(&stop)
                 : "rax", "memory", "cc");
    SAME("red zone", bad, 0);
    return argument;
}

// Direction, carry and overflow are set before the loop, and kept by what's in it (lea, jrcxz).
static void *flags(void *argument) {
    uint64_t found;
    spinning++;
    asm volatile("pushfq\n pop %0\n or $0xc01, %0\n push %0\n popfq\n"
                 "1: pause\n movslq (%1), %%rcx\n jrcxz 1b\n"
                 "pushfq\n pop %0\n cld\n"
                 : "=&r"(found)
                 : "r"(&stop)
                 : "rcx", "memory", "cc");
    SAME("direction, overflow, carry", found & 0xc01, 0xc01);
    SAME("no single step", found & 0x100, 0);
    return argument;
}

int main(void) {
    pthread_t a = thread(red_zone, NULL), b = thread(flags, NULL);
    UNTIL(spinning == 2);
    nap_ms(5);
    ready();
    wait_go();
    stop = 1;
    MUST0(pthread_join(a, NULL));
    MUST0(pthread_join(b, NULL));
    pass();
}
