// General, SSE, AVX and AVX-512 registers of a spinning loop are held, with mxcsr and the x87 control word. [threads]
#include "outlast_test.h"
#include <cpuid.h>
#include <immintrin.h>

static volatile int stop;
static atomic_int spinning;

#define GENERAL 12
struct state {
    uint64_t general[GENERAL];
    uint8_t vectors[32 * 64];
    uint64_t masks[8];
};

// Loads all general registers that aren't needed, spins until `stop`, and stores them.
static void general(struct state *in, struct state *out) {
    register struct state *from asm("rdi") = in;
    register struct state *to asm("rsi") = out;
    asm volatile("push %%rbp\n push %%rbx\n push %%rsi\n"
                 "mov 0(%%rdi), %%rax\n mov 8(%%rdi), %%rbx\n mov 16(%%rdi), %%rcx\n mov 24(%%rdi), %%rbp\n"
                 "mov 32(%%rdi), %%r8\n mov 40(%%rdi), %%r9\n mov 48(%%rdi), %%r10\n mov 56(%%rdi), %%r11\n"
                 "mov 64(%%rdi), %%r12\n mov 72(%%rdi), %%r13\n mov 80(%%rdi), %%r14\n mov 88(%%rdi), %%r15\n"
                 "1: pause\n cmpl $0, (%%rdx)\n je 1b\n"
                 "pop %%rsi\n"
                 "mov %%rax, 0(%%rsi)\n mov %%rbx, 8(%%rsi)\n mov %%rcx, 16(%%rsi)\n mov %%rbp, 24(%%rsi)\n"
                 "mov %%r8, 32(%%rsi)\n mov %%r9, 40(%%rsi)\n mov %%r10, 48(%%rsi)\n mov %%r11, 56(%%rsi)\n"
                 "mov %%r12, 64(%%rsi)\n mov %%r13, 72(%%rsi)\n mov %%r14, 80(%%rsi)\n mov %%r15, 88(%%rsi)\n"
                 "pop %%rbx\n pop %%rbp\n"
                 : "+D"(from), "+S"(to)
                 : "d"(&stop)
                 : "rax", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

#define EACH16(X)                                                                                                      \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define EACH32(X)                                                                                                      \
    EACH16(X) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define STR(x) #x
#define SPIN "1: pause\n cmpl $0, (%2)\n je 1b\n"
#define LOADX(n) "movups " STR(n) "*64(%0), %%xmm" STR(n) "\n"
#define STOREX(n) "movups %%xmm" STR(n) ", " STR(n) "*64(%1)\n"
#define LOADY(n) "vmovups " STR(n) "*64(%0), %%ymm" STR(n) "\n"
#define STOREY(n) "vmovups %%ymm" STR(n) ", " STR(n) "*64(%1)\n"
#define LOADZ(n) "vmovups " STR(n) "*64(%0), %%zmm" STR(n) "\n"
#define STOREZ(n) "vmovups %%zmm" STR(n) ", " STR(n) "*64(%1)\n"
#define EACH7(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define LOADK(n) "kmovq " STR(n) "*8(%3), %%k" STR(n) "\n"
#define STOREK(n) "kmovq %%k" STR(n) ", " STR(n) "*8(%4)\n"
#define XMMS                                                                                                           \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",        \
        "xmm13", "xmm14", "xmm15", "memory", "cc"

static void sse(struct state *in, struct state *out) {
    asm volatile(EACH16(LOADX) SPIN EACH16(STOREX)::"r"(in->vectors), "r"(out->vectors), "r"(&stop) : XMMS);
}

static void avx(struct state *in, struct state *out) {
    asm volatile(EACH16(LOADY) SPIN EACH16(STOREY)::"r"(in->vectors), "r"(out->vectors), "r"(&stop) : XMMS);
}

__attribute__((target("avx512f,avx512bw"))) static void avx512(struct state *in, struct state *out) {
    asm volatile(EACH32(LOADZ) EACH7(LOADK) SPIN EACH32(STOREZ) EACH7(STOREK)::"r"(in->vectors), "r"(out->vectors),
                 "r"(&stop), "r"(in->masks), "r"(out->masks)
                 : XMMS, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
                   "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7");
}

struct kind {
    const char *name;
    void (*run)(struct state *, struct state *);
    size_t vectors, width, masks, general;
    uint64_t seed;
};

static void *hold(void *argument) {
    struct kind *kind = argument;
    static _Thread_local struct state in, out;
    fill(&in, sizeof in, kind->seed);
    // Rounding towards zero, flush to zero; single precision in the old unit. Different in each thread.
    uint32_t mxcsr = 0x9fc0 | (kind->seed & 1), found;
    uint16_t control = 0x0c7f - (kind->seed & 1) * 0x400, found_control;
    asm volatile("ldmxcsr %0\n fldcw %1\n fldpi" ::"m"(mxcsr), "m"(control));
    spinning++;
    kind->run(&in, &out);
    long double pi;
    asm volatile("fstpt %0" : "=m"(pi));
    asm volatile("stmxcsr %0\n fnstcw %1" : "=m"(found), "=m"(found_control));
    SAME("mxcsr", found, mxcsr);
    SAME("x87 control word", found_control, control);
    HOLDS(pi > 3.14159265358979L && pi < 3.14159265358980L, "%Lf on the x87 stack", pi);
    for (size_t i = 0; i < kind->general; i++) SAME("general register", out.general[i], in.general[i]);
    for (size_t i = 0; i < kind->vectors; i++)
        HOLDS(!memcmp(in.vectors + i * 64, out.vectors + i * 64, kind->width), "another value in %s register %zu",
              kind->name, i);
    for (size_t i = 1; i < kind->masks; i++) SAME("mask register", out.masks[i], in.masks[i]);
    return NULL;
}

int main(void) {
    struct kind kinds[] = {
        {"general", general, 0, 0, 0, GENERAL, 1},
        {"sse", sse, 16, 16, 0, 0, 2},
        {"avx", avx, 16, 32, 0, 0, 3},
        {"avx512", avx512, 32, 64, 8, 0, 4},
    };
    __builtin_cpu_init();
    int count = !__builtin_cpu_supports("avx") ? 2 : !__builtin_cpu_supports("avx512bw") ? 3 : 4;
    pthread_t threads[4];
    for (int i = 0; i < count; i++) threads[i] = thread(hold, &kinds[i]);
    UNTIL(spinning == count);
    nap_ms(20);
    ready();
    wait_go();
    stop = 1;
    for (int i = 0; i < count; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
