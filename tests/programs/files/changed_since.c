// A file that nobody changes is accepted; its times are as they were, though it is open for writing. [files]
#include "outlast_test.h"

int main(void) {
    write_file("data", "0123456789", 10);
    int fd = MUST(open("data", O_RDWR)), truncating = MUST(open("other", O_RDWR | O_CREAT | O_TRUNC | O_EXCL, 0600));
    MUST(write(truncating, "kept", 4));
    struct timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
    MUST(futimens(fd, times));
    ready();
    wait_go();
    struct stat st;
    MUST(fstat(fd, &st));
    SAME("modified", st.st_mtim.tv_sec, 1100000000);
    SAME("modified, ns", st.st_mtim.tv_nsec, 7);
    // Not created, truncated or refused for the flags that it was once opened with.
    char text[8] = "";
    SAME("kept", pread(truncating, text, 8, 0), 4);
    HOLDS(!strcmp(text, "kept"), "%s", text);
    pass();
}
