// A data segment of one's own by modify_ldt is kept, or refused. [hard refused:ldt]
#include "outlast_test.h"
#include <asm/ldt.h>

int main(void) {
    uint32_t *low = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
    struct user_desc segment = {.entry_number = 0, .base_addr = (unsigned)(uintptr_t)low, .limit = 1,
                                .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
    if (syscall(SYS_modify_ldt, 1, &segment, sizeof segment) != 0) skip("no modify_ldt");
    low[3] = 0x1234;
    uint32_t found;
    // Only fs and gs have a base in 64-bit mode; the C library needs fs.
    asm volatile("mov %0, %%gs" ::"r"((0 << 3) | 7));
    ready();
    wait_go();
    asm volatile("mov %%gs:12, %0" : "=r"(found));
    SAME("through the segment", found, 0x1234);
    pass();
}
