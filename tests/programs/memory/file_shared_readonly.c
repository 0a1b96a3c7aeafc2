// A shared mapping of a file that was opened for reading only: it can't be made writable after either. [files]
#include "outlast_test.h"

int main(void) {
    write_file("data", "0123456789", 10);
    int fd = MUST(open("data", O_RDONLY)), rw = MUST(open("data", O_RDWR));
    char *at = MUST(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
    // Could be written, and isn't allowed to at the moment.
    char *later = MUST(mmap(NULL, 4096, PROT_READ, MAP_SHARED, rw, 0));
    char *none = MUST(mmap(NULL, 4096, PROT_NONE, MAP_SHARED, rw, 0));
    close(fd);
    close(rw);
    MUST(chmod("data", 0400));
    ready();
    wait_go();
    HOLDS(!memcmp(at, "0123456789", 10), "%.10s", at);
    FAILS(mprotect(at, 4096, PROT_READ | PROT_WRITE), EACCES);
    MUST(mprotect(later, 4096, PROT_READ | PROT_WRITE));
    later[0] = 'x';
    MUST(mprotect(none, 4096, PROT_READ));
    HOLDS(at[0] == 'x' && none[0] == 'x', "%c %c", at[0], none[0]);
    pass();
}
