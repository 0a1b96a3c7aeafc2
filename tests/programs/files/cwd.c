// The current directory and the umask, of each process its own. [files tree]
#include "outlast_test.h"

static void is_in(const char *name) {
    char found[PATH_MAX];
    MUST(getcwd(found, sizeof found) ? 0 : -1);
    HOLDS(!strcmp(found, in_folder(name)), "%s", found);
}

int main(void) {
    MUST(mkdir("one", 0777));
    MUST(mkdir("two", 0777));
    pid_t kid = child();
    if (!kid) {
        MUST(chdir("two"));
        umask(0);
        create_("moved");
        wait_go();
        is_in("two");
        SAME("umask", umask(0), 0);
        done();
    }
    MUST(chdir("one"));
    umask(0135);
    UNTIL(exists("moved"));
    ready();
    wait_go();
    is_in("one");
    close(MUST(open("new", O_CREAT | O_WRONLY, 0777)));
    struct stat st;
    MUST(stat("new", &st));
    SAME("mode", st.st_mode & 0777, 0777 & ~0135);
    ended_well(kid);
    pass();
}
