// The tile registers of AMX, once the process has permission to use them. [hard]
#include "outlast_test.h"
#include <asm/prctl.h>
#include <cpuid.h>

static volatile int stop;
static atomic_int spinning;

static void *hold(void *argument) {
    static struct {
        uint8_t palette, row, reserved[14];
        uint16_t columns[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) config = {.palette = 1, .columns = {64, 64, 32}, .rows = {16, 8, 4}};
    static uint8_t in[3][1024], out[3][1024];
    fill(in, sizeof in, 6);
    spinning = 1;
    asm volatile("ldtilecfg (%0)\n"
                 "tileloadd (%1,%4,1), %%tmm0\n tileloadd 1024(%1,%4,1), %%tmm1\n tileloadd 2048(%1,%4,1), %%tmm2\n"
                 "1: pause\n cmpl $0, (%3)\n je 1b\n"
                 "tilestored %%tmm0, (%2,%4,1)\n tilestored %%tmm1, 1024(%2,%4,1)\n tilestored %%tmm2, 2048(%2,%4,1)\n"
                 "tilerelease\n"
                 :
                 : "r"(&config), "r"(in), "r"(out), "r"(&stop), "r"(64L)
                 : "memory", "cc");
    HOLDS(!memcmp(in[0], out[0], 1024), "another first tile");
    HOLDS(!memcmp(in[1], out[1], 512), "another second tile");
    for (int row = 0; row < 4; row++) HOLDS(!memcmp(in[2] + row * 64, out[2] + row * 64, 32), "another third tile");
    return argument;
}

int main(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & (1 << 24))) skip("no AMX");
    if (syscall(SYS_arch_prctl, 0x1023, 18) < 0) skip("no permission for AMX: %s", strerror(errno));
    pthread_t made = thread(hold, NULL);
    UNTIL(spinning);
    nap_ms(5);
    ready();
    wait_go();
    uint64_t permitted = 0;
    MUST(syscall(SYS_arch_prctl, 0x1022, &permitted));
    HOLDS(permitted & (1 << 18), "%#llx permitted", (unsigned long long)permitted);
    stop = 1;
    MUST0(pthread_join(made, NULL));
    pass();
}
