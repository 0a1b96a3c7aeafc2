// No reading of the time stamp counter, no cpuid: what the process chose to trap still traps. [hard]
#include "outlast_test.h"
#include <asm/prctl.h>
#include <cpuid.h>
#include <setjmp.h>

static sigjmp_buf back;

static void on_segv(int number) { siglongjmp(back, number); }

static bool tsc_traps(void) {
    if (sigsetjmp(back, 1)) return true;
    __builtin_ia32_rdtsc();
    return false;
}

static bool cpuid_traps(void) {
    if (sigsetjmp(back, 1)) return true;
    unsigned a, b, c, d;
    __get_cpuid(0, &a, &b, &c, &d);
    return false;
}

int main(void) {
    signal(SIGSEGV, on_segv);
    // Either may not exist in a virtual machine.
    bool no_cpuid = syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0;
    bool no_tsc = prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == 0;
    if (!no_tsc && !no_cpuid) skip("nothing can be trapped");
    ready();
    // The clocks of the vdso read the counter too: only system calls from here on.
    wait_go();
    int mode = 0;
    if (no_tsc) {
        MUST(prctl(PR_GET_TSC, &mode));
        SAME("mode of the time stamp counter", mode, PR_TSC_SIGSEGV);
        HOLDS(tsc_traps(), "rdtsc works");
    }
    if (no_cpuid) {
        SAME("mode of cpuid", syscall(SYS_arch_prctl, ARCH_GET_CPUID), 0);
        HOLDS(cpuid_traps(), "cpuid works");
        MUST(syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1));
    }
    if (no_tsc) MUST(prctl(PR_SET_TSC, PR_TSC_ENABLE));
    pass();
}
