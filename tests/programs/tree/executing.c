// A child that executes itself anew all the time: a snapshot finds it anywhere in that. [tree]
#include "outlast_test.h"

int main(int argc, char **argv) {
    if (argc == 2) {
        long count = atol(argv[1]);
        if (count == 30) create_("executing");
        if (count > 30 && may_go()) {
            char text[32];
            snprintf(text, sizeof text, "%ld", count);
            write_file(in_folder("count"), text, strlen(text));
            done();
        }
        char next[32];
        snprintf(next, sizeof next, "%ld", count + 1);
        char *words[] = {argv[0], next, NULL};
        MUST(execv("/proc/self/exe", words));
    }
    char path[PATH_MAX] = "";
    MUST(readlink("/proc/self/exe", path, sizeof path - 1));
    pid_t kid = child();
    if (!kid) {
        char *words[] = {argv[0], "1", NULL};
        MUST(execv(path, words));
    }
    UNTIL(exists("executing"));
    ready();
    wait_go();
    ended_well(kid);
    char text[32];
    read_file("count", text, sizeof text);
    HOLDS(atol(text) > 30, "%s", text);
    pass();
}
