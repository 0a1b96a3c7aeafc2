// Names that a program has given to anonymous mappings. [same-pids]
#include "outlast_test.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

int main(void) {
    char *at = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, at, 4096, "a name") < 0) skip("no names of mappings");
    at[0] = 1;
    ready();
    wait_go();
    static char maps[65536];
    read_file("/proc/self/maps", maps, sizeof maps);
    HOLDS(strstr(maps, "[anon:a name]"), "no mapping of that name");
    SAME("content", at[0], 1);
    pass();
}
