// FIFOs with content, of which both ends, or only one, are open; the name may be gone. [files]
#include "outlast_test.h"

int main(void) {
    MUST(mkfifo("fifo", 0600));
    MUST(mkfifo("gone", 0600));
    int both = MUST(open("fifo", O_RDWR)), reader = MUST(open("fifo", O_RDONLY | O_NONBLOCK));
    int other = MUST(open("gone", O_RDWR | O_NONBLOCK));
    MUST(unlink("gone"));
    MUST(write(both, "content", 7));
    MUST(write(other, "other", 5));
    ready();
    wait_go();
    char text[16] = "";
    SAME("read", MUST(read(reader, text, 3)), 3);
    int writer = MUST(open("fifo", O_WRONLY));
    MUST(write(writer, "!", 1));
    SAME("read", MUST(read(reader, text + 3, 13)), 5);
    HOLDS(!strcmp(text, "content!"), "%s", text);
    SAME("read", MUST(read(other, text, 16)), 5);
    FAILS(read(other, text, 1), EAGAIN);
    close(both);
    close(writer);
    SAME("end", MUST(read(reader, text, 1)), 0);
    pass();
}
