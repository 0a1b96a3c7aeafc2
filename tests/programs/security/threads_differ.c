// Threads that are different users, by the kernel's own calls. [threads root hard]
#include "outlast_test.h"

static atomic_int set;

static void *other(void *argument) {
    uid_t wanted = (uid_t)(long)argument, r, e, s;
    MUST(syscall(SYS_setresuid, wanted, wanted, wanted));
    set++;
    wait_go();
    MUST(syscall(SYS_getresuid, &r, &e, &s));
    SAME("user of the thread", e, wanted);
    return NULL;
}

int main(void) {
    if (getuid()) skip("not root");
    pthread_t a = thread(other, (void *)60001), b = thread(other, (void *)60002);
    UNTIL(set == 2);
    ready();
    wait_go();
    SAME("user", syscall(SYS_geteuid), 0);
    MUST0(pthread_join(a, NULL));
    MUST0(pthread_join(b, NULL));
    pass();
}
