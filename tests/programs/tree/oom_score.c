// The score for the out-of-memory killer, of a process and its child. [tree same-pids]
#include "outlast_test.h"

static void is(const char *expected) {
    char found[16];
    read_file("/proc/self/oom_score_adj", found, sizeof found);
    HOLDS(!strcmp(found, expected), "%s", found);
}

int main(void) {
    write_file("/proc/self/oom_score_adj", "100", 3);
    pid_t kid = child();
    if (!kid) {
        write_file("/proc/self/oom_score_adj", "777", 3);
        create_("set");
        wait_go();
        is("777\n");
        done();
    }
    UNTIL(exists("set"));
    ready();
    wait_go();
    is("100\n");
    ended_well(kid);
    pass();
}
