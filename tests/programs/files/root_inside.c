// A process in another root directory with files and mappings from inside of it and from outside. [files tree root]
#include "outlast_test.h"

int main(void) {
    MUST(mkdir("jail", 0777));
    write_file("outside", "outside", 7);
    write_file("jail/inside", "inside", 6);
    pid_t kid = child();
    if (!kid) {
        int outside = MUST(open("outside", O_RDWR));
        if (chroot("jail") < 0 || chdir("/") < 0) skip("no chroot: %s", strerror(errno));
        int inside = open("/inside", O_RDWR);
        char *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, inside, 0);
        if (inside < 0 || mapped == MAP_FAILED) _exit(10);
        folder_[0] = 0;
        create_("entered");
        for (int polls = 0; access("/go", F_OK) < 0 && polls < POLLS_FOR_GO; polls++) {
            struct timespec ms = {0, MS};
            nanosleep(&ms, NULL);
        }
        char text[8] = "";
        if (memcmp(mapped, "inside", 6)) _exit(11);
        if (pread(outside, text, 8, 0) != 7 || strcmp(text, "outside")) _exit(12);
        if (pwrite(inside, "I", 1, 0) != 1 || mapped[0] != 'I') _exit(13);
        done();
    }
    UNTIL(exists("jail/entered"));
    ready();
    wait_go();
    create_("jail/go");
    ended_well(kid);
    pass();
}
