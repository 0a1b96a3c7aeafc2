// Descriptors of paths alone (O_PATH): of a file, a directory and a symbolic link. [files]
#include "outlast_test.h"

int main(void) {
    write_file("file", "content", 7);
    MUST(mkdir("folder", 0700));
    create_("folder/inside");
    MUST(symlink("file", "link"));
    int file = MUST(open("file", O_PATH)), folder = MUST(open("folder", O_PATH | O_DIRECTORY)),
        link = MUST(open("link", O_PATH | O_NOFOLLOW));
    ready();
    wait_go();
    char text[16] = "";
    FAILS(read(file, text, 1), EBADF);
    SAME("flags", fcntl(file, F_GETFL) & O_PATH, O_PATH);
    struct stat a, b;
    MUST(fstat(file, &a));
    MUST(stat("file", &b));
    SAME("file", a.st_ino, b.st_ino);
    MUST(faccessat(folder, "inside", F_OK, 0));
    MUST(fstat(link, &a));
    HOLDS(S_ISLNK(a.st_mode), "mode %o", a.st_mode);
    SAME("link's text", readlinkat(link, "", text, sizeof text), 4);
    HOLDS(!memcmp(text, "file", 4), "%s", text);
    pass();
}
