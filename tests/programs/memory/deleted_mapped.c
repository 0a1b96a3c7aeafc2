// Files that are only mapped: deleted and closed; shared with a child, private with changes. [files tree]
#include "outlast_test.h"

int main(void) {
    static char content[8 * 4096];
    fill(content, sizeof content, 1);
    write_file("shared", content, sizeof content);
    write_file("private", content, sizeof content);
    int s = MUST(open("shared", O_RDWR)), p = MUST(open("private", O_RDONLY));
    char *shared = MUST(mmap(NULL, sizeof content, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0));
    char *private = MUST(mmap(NULL, sizeof content, PROT_READ | PROT_WRITE, MAP_PRIVATE, p, 0));
    close(s);
    close(p);
    MUST(unlink("shared"));
    MUST(unlink("private"));
    fill(private + 4096, 4096, 2);
    pid_t kid = child();
    if (!kid) {
        wait_go();
        CHECK_FILL("shared in the child", shared, 4096, 1);
        fill(shared, 4096, 3);
        done();
    }
    ready();
    wait_go();
    ended_well(kid);
    CHECK_FILL("of the child", shared, 4096, 3);
    HOLDS(!memcmp(shared + 4096, content + 4096, 7 * 4096), "another content");
    CHECK_FILL("private", private, 4096, 1);
    CHECK_FILL("private change", private + 4096, 4096, 2);
    HOLDS(!memcmp(private + 8192, content + 8192, 6 * 4096), "another content");
    pass();
}
