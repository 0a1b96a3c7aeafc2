// A key in the session's keyring is carried, or refused, not lost in silence. [hard refused:key]
#include "outlast_test.h"
#include <linux/keyctl.h>

int main(void) {
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0) skip("no keyrings: %s", strerror(errno));
    long key = MUST(syscall(SYS_add_key, "user", "outlast", "secret", 6, KEY_SPEC_SESSION_KEYRING));
    ready();
    wait_go();
    char text[16] = "";
    SAME("key", MUST(syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text)), 6);
    HOLDS(!strcmp(text, "secret"), "%s", text);
    pass();
}
