// An open directory that was deleted. [files hard refused:deleted]
#include "outlast_test.h"

int main(void) {
    MUST(mkdir("gone", 0700));
    int fd = MUST(open("gone", O_RDONLY | O_DIRECTORY));
    MUST(rmdir("gone"));
    ready();
    wait_go();
    FAILS(openat(fd, "new", O_CREAT | O_WRONLY, 0600), ENOENT);
    struct stat st;
    MUST(fstat(fd, &st));
    HOLDS(S_ISDIR(st.st_mode), "mode %o", st.st_mode);
    pass();
}
