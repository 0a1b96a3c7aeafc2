// Code of the executable, and a read-only page of a file, that the program has changed: private pages without the right to write.
#include "outlast_test.h"

__attribute__((noinline)) static int answer(void) {
    asm volatile("");
    return 1;
}

static int (*volatile ask)(void) = answer;

int main(void) {
    SAME("before", ask(), 1);
    char *page = (char *)((uintptr_t)answer & ~4095ul);
    MUST(mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC));
    memcpy((void *)answer, "\xb8\x2a\0\0\0\xc3", 6); // mov eax, 42; ret
    MUST(mprotect(page, 8192, PROT_READ | PROT_EXEC));
    write_file("data", "0123456789", 10);
    int fd = MUST(open("data", O_RDONLY)), memory = open("/proc/self/mem", O_RDWR);
    char *mapped = MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    // The way of debuggers: by the process's memory file, whatever the protection.
    if (memory >= 0) MUST(pwrite(memory, "abc", 3, (off_t)(uintptr_t)mapped));
    close(memory);
    close(fd);
    ready();
    wait_go();
    SAME("patched", ask(), 42);
    if (memory >= 0) HOLDS(!memcmp(mapped, "abc3456789", 10), "%.10s", mapped);
    char text[16];
    read_file("data", text, sizeof text);
    HOLDS(!strcmp(text, "0123456789"), "%s", text);
    pass();
}
