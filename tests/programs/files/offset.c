// A regular file keeps offset, access mode and flags.
#include "outlast_test.h"

int main(void) {
    write_file("data", "0123456789abcdef", 16);
    int r = MUST(open("data", O_RDONLY)), w = MUST(open("out", O_WRONLY | O_CREAT, 0640));
    int a = MUST(open("log", O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_NOATIME, 0600));
    int s = MUST(open("sync", O_RDWR | O_CREAT | O_DSYNC, 0600));
    char text[8] = "";
    MUST(read(r, text, 5));
    MUST(write(w, "hello", 5));
    MUST(write(a, "line\n", 5));
    MUST(lseek(s, 1LL << 33, SEEK_SET));
    int flags[4] = {fcntl(r, F_GETFL), fcntl(w, F_GETFL), fcntl(a, F_GETFL), fcntl(s, F_GETFL)};
    ready();
    wait_go();
    SAME("flags of the read one", fcntl(r, F_GETFL), flags[0]);
    SAME("flags of the written one", fcntl(w, F_GETFL), flags[1]);
    SAME("flags of the appended one", fcntl(a, F_GETFL), flags[2]);
    SAME("flags of the synchronous one", fcntl(s, F_GETFL), flags[3]);
    SAME("offset read", lseek(r, 0, SEEK_CUR), 5);
    SAME("offset written", lseek(w, 0, SEEK_CUR), 5);
    SAME("far offset", lseek(s, 0, SEEK_CUR), 1LL << 33);
    MUST(read(r, text, 5));
    HOLDS(!memcmp(text, "56789", 5), "%.5s", text);
    MUST(write(w, " world", 6));
    MUST(lseek(a, 0, SEEK_SET));
    MUST(write(a, "more\n", 5));
    FAILS(write(r, "x", 1), EBADF);
    FAILS(read(w, text, 1), EBADF);
    char all[32];
    SAME("length", read_file("out", all, sizeof all), 11);
    HOLDS(!strcmp(all, "hello world"), "%s", all);
    read_file("log", all, sizeof all);
    HOLDS(!strcmp(all, "line\nmore\n"), "%s", all);
    struct stat st;
    MUST(fstat(w, &st));
    SAME("mode", st.st_mode & 07777, 0640);
    pass();
}
