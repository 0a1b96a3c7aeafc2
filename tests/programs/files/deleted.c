// Files that were deleted while open keep their content, mode and offset; one that is open twice is one file. [files]
#include "outlast_test.h"

int main(void) {
    static char content[100000];
    fill(content, sizeof content, 1);
    write_file("gone", content, sizeof content);
    MUST(chmod("gone", 0612));
    int fd = MUST(open("gone", O_RDWR)), twin = MUST(open("gone", O_RDONLY));
    char *mapped = MUST(mmap(NULL, sizeof content, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    int empty = MUST(open("empty", O_RDWR | O_CREAT | O_APPEND, 0600));
    MUST(unlink("empty"));
    MUST(unlink("gone"));
    MUST(lseek(fd, 50, SEEK_SET));
    // Another of the same name is another file.
    write_file("gone", "other", 5);
    ready();
    wait_go();
    struct stat st;
    MUST(fstat(fd, &st));
    SAME("links", st.st_nlink, 0);
    SAME("mode", st.st_mode & 07777, 0612);
    SAME("size", st.st_size, sizeof content);
    SAME("offset", lseek(fd, 0, SEEK_CUR), 50);
    static char found[sizeof content];
    SAME("read", pread(fd, found, sizeof found, 0), sizeof found);
    HOLDS(!memcmp(content, found, sizeof found), "another content");
    HOLDS(!memcmp(content, mapped, sizeof found), "another content of the mapping");
    SAME("written", pwrite(fd, "together", 8, 1000), 8);
    SAME("read by its twin", pread(twin, found, 8, 1000), 8);
    HOLDS(!memcmp(found, "together", 8) && !memcmp(mapped + 1000, "together", 8), "%.8s", found);
    SAME("written", write(empty, "appended", 8), 8);
    SAME("read", pread(empty, found, 20, 0), 8);
    SAME("the other", read_file("gone", found, sizeof found), 5);
    FAILS(access("empty", F_OK), ENOENT);
    pass();
}
