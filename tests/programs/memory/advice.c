// What madvise has set is seen in smaps as before, and has its effect. [same-pids tree]
#include "outlast_test.h"
#include <ctype.h>

// The flags of the mapping that begins at an address.
static void flags_at(void *at, char *to) {
    FILE *smaps = fopen("/proc/self/smaps", "re");
    if (!smaps) fail("/proc/self/smaps: %s", strerror(errno));
    char line[512];
    bool here = false;
    while (fgets(line, sizeof line, smaps)) {
        char *end;
        unsigned long start = strtoul(line, &end, 16);
        if (*end == '-' && end != line) here = start == (uintptr_t)at;
        if (here && !strncmp(line, "VmFlags:", 8)) {
            strcpy(to, line);
            fclose(smaps);
            return;
        }
    }
    fail("no mapping begins at %p", at);
}

int main(void) {
    int advice[] = {MADV_DONTFORK, MADV_DONTDUMP, MADV_WIPEONFORK, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
                    MADV_MERGEABLE, MADV_SEQUENTIAL, MADV_RANDOM, MADV_NORMAL};
    enum { COUNT = sizeof advice / sizeof *advice };
    char *at[COUNT];
    static char before[COUNT][512], after[512];
    for (int i = 0; i < COUNT; i++) {
        // A guard on both sides, so that neighbours don't merge.
        char *raw = MUST(mmap(NULL, 6 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        at[i] = raw + 4096;
        MUST(mprotect(at[i], 4 * 4096, PROT_READ | PROT_WRITE));
        fill(at[i], 4 * 4096, i + 1);
        if (madvise(at[i], 4 * 4096, advice[i]) < 0 && errno != EINVAL) fail("madvise(%d)", advice[i]);
        flags_at(at[i], before[i]);
    }
    ready();
    wait_go();
    for (int i = 0; i < COUNT; i++) {
        CHECK_FILL("content", at[i], 4 * 4096, i + 1);
        flags_at(at[i], after);
        HOLDS(!strcmp(before[i], after), "%s instead of %s", after, before[i]);
    }
    pid_t kid = child();
    if (!kid) {
        SAME("wiped in the child", at[2][0] | at[2][5000], 0);
        FAILS(msync(at[0], 4096, MS_ASYNC), ENOMEM);
        CHECK_FILL("in the child", at[1], 4 * 4096, 2);
        done();
    }
    ended_well(kid);
    pass();
}
