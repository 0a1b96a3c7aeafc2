// The lowest address, and right below the end of the user's part: mappings at unusual places.
#include "outlast_test.h"

int main(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    char *low = mmap((void *)0x10000, 8192, PROT_READ | PROT_WRITE, flags, -1, 0);
    // One page below the end remains: the kernel gives that to nobody.
    char *high = mmap((void *)0x7fffffffd000, 8192, PROT_READ | PROT_WRITE, flags, -1, 0);
    char *below_4g = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    char *all[] = {low, high, below_4g};
    for (int i = 0; i < 3; i++)
        if (all[i] != MAP_FAILED) fill(all[i], 8192, i + 1);
    ready();
    wait_go();
    for (int i = 0; i < 3; i++)
        if (all[i] != MAP_FAILED) CHECK_FILL("content", all[i], 8192, i + 1);
    pass();
}
