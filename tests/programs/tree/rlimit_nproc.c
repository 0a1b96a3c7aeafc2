// No more processes may be made: a limit that would stop a restorer which sets it too early. [threads root]
#include "outlast_test.h"
#include <sys/resource.h>

static atomic_int there;

static void *one(void *argument) {
    there++;
    wait_go();
    return argument;
}

int main(void) {
    // The limit is looked at only for a user without privileges.
    if (setgid(65533) < 0 || setuid(65533) < 0) skip("not root");
    MUST(prctl(PR_SET_DUMPABLE, 1));
    pthread_t threads[5];
    for (int i = 0; i < 5; i++) threads[i] = thread(one, NULL);
    UNTIL(there == 5);
    struct rlimit none = {1, 1};
    MUST(setrlimit(RLIMIT_NPROC, &none));
    ready();
    wait_go();
    struct rlimit found;
    MUST(getrlimit(RLIMIT_NPROC, &found));
    SAME("limit", found.rlim_cur, 1);
    FAILS(fork(), EAGAIN);
    for (int i = 0; i < 5; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
