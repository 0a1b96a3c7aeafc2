// Arguments, environment, auxiliary vector and the link to the executable are what they were. [same-pids]
#include "outlast_test.h"
#include <sys/auxv.h>

static const char *paths[] = {"/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv"};

int main(int argc, char **argv, char **envp) {
    static char before[3][8192], after[8192], exe[PATH_MAX], exe_after[PATH_MAX], argument[256], first[256];
    size_t lengths[3];
    for (int i = 0; i < 3; i++) lengths[i] = read_file(paths[i], before[i], sizeof before[i]);
    MUST(readlink("/proc/self/exe", exe, sizeof exe - 1));
    strcpy(argument, argv[0]);
    strcpy(first, envp[0]);
    unsigned long random[2], found[2];
    memcpy(random, (void *)getauxval(AT_RANDOM), 16);
    struct stat by_link, by_path;
    ready();
    wait_go();
    SAME("argc", argc, 1);
    HOLDS(!strcmp(argv[0], argument) && !strcmp(envp[0], first), "%s %s", argv[0], envp[0]);
    HOLDS(getenv("OUTLAST_TEST"), "no such variable");
    for (int i = 0; i < 3; i++) {
        SAME(paths[i], read_file(paths[i], after, sizeof after), lengths[i]);
        HOLDS(!memcmp(before[i], after, lengths[i]), "another %s", paths[i]);
    }
    MUST(readlink("/proc/self/exe", exe_after, sizeof exe_after - 1));
    HOLDS(!strcmp(exe, exe_after), "%s", exe_after);
    MUST(stat("/proc/self/exe", &by_link));
    MUST(stat(exe, &by_path));
    SAME("file of the executable", by_link.st_ino, by_path.st_ino);
    memcpy(found, (void *)getauxval(AT_RANDOM), 16);
    HOLDS(!memcmp(random, found, 16), "other random bytes");
    pass();
}
