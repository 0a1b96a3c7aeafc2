// Two processes with one table of descriptors, and two with one current directory and umask. [tree files]
#include "outlast_test.h"

static pid_t clone_sharing(unsigned long flags) { return MUST(syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL)); }

int main(void) {
    MUST(mkdir("here", 0777));
    MUST(mkdir("there", 0777));
    MUST(chdir("here"));
    pid_t files = clone_sharing(CLONE_FILES);
    if (!files) {
        wait_go();
        SAME("descriptor made here", MUST(dup2(0, 50)), 50);
        create_("dupped");
        UNTIL(fcntl(51, F_GETFD) >= 0);
        done();
    }
    pid_t fs = clone_sharing(CLONE_FS);
    if (!fs) {
        wait_go();
        MUST(chdir(in_folder("there")));
        umask(0123);
        create_("moved");
        done();
    }
    ready();
    wait_go();
    UNTIL(exists("dupped"));
    MUST(fcntl(50, F_GETFD));
    MUST(dup2(0, 51));
    UNTIL(exists("moved"));
    char found[PATH_MAX];
    MUST(getcwd(found, sizeof found) ? 0 : -1);
    HOLDS(!strcmp(found, in_folder("there")), "%s", found);
    SAME("umask", umask(0), 0123);
    ended_well(files);
    ended_well(fs);
    pass();
}
