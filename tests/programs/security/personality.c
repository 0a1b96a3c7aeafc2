// The personality: no random addresses, of a child its own; read implies execute. [tree]
#include "outlast_test.h"
#include <sys/personality.h>

int main(void) {
    MUST(personality(ADDR_NO_RANDOMIZE));
    pid_t kid = child();
    if (!kid) {
        MUST(personality(READ_IMPLIES_EXEC | SHORT_INODE | STICKY_TIMEOUTS));
        create_("set");
        wait_go();
        SAME("of the child", personality(0xffffffff), READ_IMPLIES_EXEC | SHORT_INODE | STICKY_TIMEOUTS);
        done();
    }
    UNTIL(exists("set"));
    ready();
    wait_go();
    SAME("personality", personality(0xffffffff), ADDR_NO_RANDOMIZE);
    ended_well(kid);
    pass();
}
