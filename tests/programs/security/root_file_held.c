// A process without privileges that holds files which it could not open any more. [root files]
#include "outlast_test.h"

int main(void) {
    if (getuid()) skip("not root");
    write_file("secret", "secret", 6);
    MUST(chmod("secret", 0));
    MUST(mkdir("closed", 0700));
    write_file("closed/inside", "inside", 6);
    int secret = MUST(open("secret", O_RDWR)), inside = MUST(open("closed/inside", O_RDONLY));
    char *mapped = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0));
    MUST(setresgid(65534, 65534, 65534));
    MUST(setresuid(65534, 65534, 65534));
    FAILS(open("secret", O_RDONLY), EACCES);
    ready();
    wait_go();
    char text[8] = "";
    SAME("read", pread(secret, text, 8, 0), 6);
    HOLDS(!strcmp(text, "secret") && !memcmp(mapped, "secret", 6), "%s", text);
    SAME("read", pread(inside, text, 8, 0), 6);
    FAILS(open("secret", O_RDONLY), EACCES);
    mapped[0] = 'S';
    pass();
}
