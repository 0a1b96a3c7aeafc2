// Files opened through a symbolic link that leads elsewhere now, and by odd names. [files]
#include "outlast_test.h"

int main(void) {
    const char *odd[] = {"new\nline", "a (deleted)", "tab\tand \\ and \"", "\xff\xfe", " "};
    write_file("first", "first", 5);
    write_file("second", "second", 6);
    MUST(symlink("first", "link"));
    int linked = MUST(open("link", O_RDONLY)), fds[5];
    MUST(unlink("link"));
    MUST(symlink("second", "link"));
    for (int i = 0; i < 5; i++) {
        fds[i] = MUST(open(odd[i], O_RDWR | O_CREAT, 0600));
        MUST(write(fds[i], &i, sizeof i));
        MUST(lseek(fds[i], 0, SEEK_SET));
    }
    char *mapped = MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fds[0], 0));
    ready();
    wait_go();
    char text[16] = "";
    MUST(read(linked, text, sizeof text));
    HOLDS(!strcmp(text, "first"), "%s", text);
    for (int i = 0; i < 5; i++) {
        int found = -1;
        SAME("read", read(fds[i], &found, sizeof found), sizeof found);
        SAME("content", found, i);
    }
    SAME("mapped", *(int *)mapped, 0);
    pass();
}
