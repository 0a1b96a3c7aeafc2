// Files that never had a name; one of them gets one afterwards. [files]
#include "outlast_test.h"

int main(void) {
    int fd = open(".", O_TMPFILE | O_RDWR, 0640);
    if (fd < 0) skip("no O_TMPFILE here: %s", strerror(errno));
    int unlinkable = MUST(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
    MUST(write(fd, "content", 7));
    MUST(write(unlinkable, "other", 5));
    ready();
    wait_go();
    char text[16] = "";
    SAME("read", pread(fd, text, sizeof text, 0), 7);
    HOLDS(!strcmp(text, "content"), "%s", text);
    SAME("offset", lseek(fd, 0, SEEK_CUR), 7);
    SAME("read", pread(unlinkable, text, sizeof text, 0), 5);
    struct stat st;
    MUST(fstat(fd, &st));
    SAME("links", st.st_nlink, 0);
    SAME("mode", st.st_mode & 07777, 0640);
    pass();
}
