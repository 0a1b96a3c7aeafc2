// The current directory was deleted. [hard files refused:deleted]
#include "outlast_test.h"

int main(void) {
    MUST(mkdir("gone", 0700));
    MUST(chdir("gone"));
    MUST(rmdir(in_folder("gone")));
    ready();
    wait_go();
    char found[PATH_MAX];
    FAILS(getcwd(found, sizeof found) ? 0 : -1, ENOENT);
    FAILS(open("new", O_CREAT | O_WRONLY, 0600), ENOENT);
    MUST(chdir(".."));
    pass();
}
