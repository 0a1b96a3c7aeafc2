// The user and group that count for files only (setfsuid). [root]
#include "outlast_test.h"
#include <sys/fsuid.h>

int main(void) {
    setfsuid(65531);
    setfsgid(65530);
    if (setfsuid(-1) != 65531) skip("not root");
    ready();
    wait_go();
    SAME("user", setfsuid(-1), 65531);
    SAME("group", setfsgid(-1), 65530);
    SAME("effective user", geteuid(), 0);
    pass();
}
