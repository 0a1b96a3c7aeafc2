// A changed root directory, of a child. [files tree root]
#include "outlast_test.h"

int main(void) {
    MUST(mkdir("jail", 0777));
    MUST(mkdir("jail/inner", 0777));
    pid_t kid = child();
    if (!kid) {
        if (chroot("jail") < 0) skip("no chroot: %s", strerror(errno));
        MUST(chdir("/inner"));
        // From here on its paths are others.
        folder_[0] = 0;
        create_("inside");
        for (int polls = 0; access("/go", F_OK) < 0 && polls < POLLS_FOR_GO; polls++) {
            struct timespec ms = {0, MS};
            nanosleep(&ms, NULL);
        }
        char found[PATH_MAX];
        if (!getcwd(found, sizeof found) || strcmp(found, "/inner")) _exit(11);
        struct stat root, above;
        if (stat("/", &root) || stat("/..", &above) || root.st_ino != above.st_ino) _exit(12);
        if (access("/inside", F_OK)) _exit(13);
        done();
    }
    UNTIL(exists("jail/inside"));
    ready();
    wait_go();
    create_("jail/go");
    ended_well(kid);
    pass();
}
