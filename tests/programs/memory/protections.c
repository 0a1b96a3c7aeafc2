// Content behind PROT_NONE, read-only and execute-only pages; code that was written by the program runs.
#include "outlast_test.h"
#include <setjmp.h>

static sigjmp_buf back;

static void on_segv(int number) { siglongjmp(back, number); }

static bool faults(volatile char *at, bool write) {
    if (sigsetjmp(back, 1)) return true;
    if (write) *at = 1;
    else (void)*at;
    return false;
}

int main(void) {
    signal(SIGSEGV, on_segv);
    char *at = MUST(mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    fill(at, 5 * 4096, 1);
    // mov eax, 42; ret
    memcpy(at + 4 * 4096, "\xb8\x2a\0\0\0\xc3", 6);
    MUST(mprotect(at + 4096, 4096, PROT_NONE));
    MUST(mprotect(at + 2 * 4096, 4096, PROT_READ));
    MUST(mprotect(at + 4 * 4096, 4096, PROT_READ | PROT_EXEC));
    char *never = MUST(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ready();
    wait_go();
    HOLDS(faults(at + 4096, false), "readable");
    HOLDS(faults(at + 2 * 4096, true), "writable");
    HOLDS(faults(at + 4 * 4096, true), "writable code");
    HOLDS(faults(never, false), "readable");
    HOLDS(!faults(at, true) && !faults(at + 3 * 4096, true), "not writable");
    SAME("code", ((int (*)(void))(at + 4 * 4096))(), 42);
    MUST(mprotect(at + 4096, 4096, PROT_READ));
    uint64_t *words = (void *)at;
    for (size_t i = 512; i < 3 * 512; i++) SAME("word", words[i], word_at(1, i));
    pass();
}
