// A process that has given up root: users, groups, supplementary groups; it can't come back. [root]
#include "outlast_test.h"
#include <grp.h>

int main(void) {
    gid_t groups[] = {65500, 7, 123456}, found[8];
    if (setgroups(3, groups) < 0 || setresgid(65534, 65533, 65532) < 0 || setresuid(65534, 65533, 65532) < 0)
        skip("not root");
    ready();
    wait_go();
    uid_t r, e, s;
    MUST(getresuid(&r, &e, &s));
    SAME("real user", r, 65534);
    SAME("effective user", e, 65533);
    SAME("saved user", s, 65532);
    MUST(getresgid(&r, &e, &s));
    SAME("real group", r, 65534);
    SAME("effective group", e, 65533);
    SAME("saved group", s, 65532);
    SAME("groups", getgroups(8, found), 3);
    SAME("a group", found[0] + found[1] + found[2], 65500 + 7 + 123456);
    FAILS(setuid(0), EPERM);
    FAILS(setgroups(0, NULL), EPERM);
    int fd = MUST(open("mine", O_CREAT | O_WRONLY, 0600));
    struct stat st;
    MUST(fstat(fd, &st));
    SAME("owner of a new file", st.st_uid, 65533);
    SAME("group of a new file", st.st_gid, 65533);
    pass();
}
