// A file that was opened by a name which is gone, while another name remains: it is that file. [files]
#include "outlast_test.h"

int main(void) {
    write_file("first", "content", 7);
    int fd = MUST(open("first", O_RDWR));
    MUST(link("first", "second"));
    MUST(unlink("first"));
    int moved = MUST(open("before", O_RDWR | O_CREAT, 0600));
    MUST(write(moved, "moved", 5));
    MUST(mkdir("folder", 0700));
    MUST(rename("before", "folder/after"));
    ready();
    wait_go();
    struct stat a, b;
    MUST(fstat(fd, &a));
    MUST(stat("second", &b));
    HOLDS(a.st_ino == b.st_ino && a.st_dev == b.st_dev, "two files");
    SAME("written", pwrite(fd, "C", 1, 0), 1);
    char text[16];
    read_file("second", text, sizeof text);
    HOLDS(!strcmp(text, "Content"), "%s", text);
    MUST(fstat(moved, &a));
    MUST(stat("folder/after", &b));
    HOLDS(a.st_ino == b.st_ino, "two files");
    SAME("offset", lseek(moved, 0, SEEK_CUR), 5);
    FAILS(access("first", F_OK), ENOENT);
    FAILS(access("before", F_OK), ENOENT);
    pass();
}
