// A thread of a 64-bit process that runs 32-bit code: its code segment is another. [threads hard refused:32-bit]
#include "outlast_test.h"

static volatile uint32_t *low;
static atomic_int there;

static void *run(void *argument) {
    // At low[0]: stop. low[1]: counter. The code from low + 64 on; the stack at the end of the page.
    uint8_t *code = (uint8_t *)low + 256;
    uint32_t base = (uintptr_t)low;
    uint8_t loop[] = {0xff, 0x05, 0, 0, 0, 0,                   // inc dword [counter]
                      0xf3, 0x90,                               // pause
                      0x83, 0x3d, 0, 0, 0, 0, 0,                // cmp dword [stop], 0
                      0x74, 0xef,                               // je to the beginning
                      0xcb};                                    // retf
    uint32_t counter = base + 4;
    memcpy(loop + 2, &counter, 4);
    memcpy(loop + 10, &base, 4);
    memcpy(code, loop, sizeof loop);
    // Back in 64-bit mode, from an address of 32 bits to any: movabs rax, address; jmp rax.
    uint8_t *way_back = (uint8_t *)low + 512;
    memcpy(way_back, "\x48\xb8", 2);
    memcpy(way_back + 10, "\xff\xe0", 2);
    there = 1;
    asm volatile("mov $0x2b, %%eax\n mov %%eax, %%ds\n" // none is loaded otherwise
                 "mov %%rsp, %%r12\n"
                 "lea 4096(%0), %%rsp\n"
                 "lea 1f(%%rip), %%rax\n mov %%rax, 2(%2)\n"
                 // What its far return finds: 32-bit words, the 64-bit segment.
                 "sub $8, %%rsp\n"
                 "mov %k2, (%%rsp)\n movl $0x33, 4(%%rsp)\n"
                 "pushq $0x23\n push %1\n lretq\n"
                 "1: mov %%r12, %%rsp\n"
                 :
                 : "r"(low), "r"(code), "r"(way_back)
                 : "rax", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    return argument;
}

int main(void) {
    low = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED) skip("no memory below 2 GiB");
    pthread_t made = thread(run, NULL);
    UNTIL(there && low[1] > 1000);
    ready();
    wait_go();
    uint32_t before = low[1];
    UNTIL(low[1] != before);
    low[0] = 1;
    MUST0(pthread_join(made, NULL));
    pass();
}
