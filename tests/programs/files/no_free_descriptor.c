// Every number that the limit allows is in use: no descriptor can be opened here. [files]
#include "outlast_test.h"
#include <sys/resource.h>

int main(void) {
    struct rlimit limit = {24, 24}, found;
    write_file("data", "0123456789", 10);
    for (int i = 3; i < 24; i++) {
        MUST(dup2(MUST(open("data", O_RDONLY)), i));
        MUST(lseek(i, i, SEEK_SET));
    }
    for (int i = 24; i < 64; i++) close(i);
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    FAILS(dup(0), EMFILE);
    // ready() needs one for a moment: a child that shares nothing else of it lends its table.
    pid_t kid = child();
    if (!kid) {
        close(23);
        ready();
        done();
    }
    ended_well(kid);
    wait_go();
    FAILS(dup(0), EMFILE);
    MUST(getrlimit(RLIMIT_NOFILE, &found));
    SAME("limit", found.rlim_max, 24);
    for (int i = 3; i < 24; i++) SAME("offset", lseek(i, 0, SEEK_CUR), i);
    close(23);
    pass();
}
