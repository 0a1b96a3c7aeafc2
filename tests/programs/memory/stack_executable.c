// A stack that is executable, and code on it.
#include "outlast_test.h"

int main(void) {
    unsigned char code[16] = {0xb8, 42, 0, 0, 0, 0xc3}; // mov eax, 42; ret
    char *page = (char *)((uintptr_t)code & ~4095ul);
    if (mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN) < 0)
        skip("no executable stack: %s", strerror(errno));
    int (*volatile run)(void) = (int (*)(void))(uintptr_t)code;
    SAME("before", run(), 42);
    ready();
    wait_go();
    code[1] = 43;
    SAME("after", run(), 43);
    pass();
}
