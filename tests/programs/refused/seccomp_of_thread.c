// A system call filter of one thread alone is seen too. [refused:seccomp threads]
#include "outlast_test.h"
#include <linux/filter.h>
#include <linux/seccomp.h>

static atomic_int set;

static void *filtered(void *argument) {
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, code};
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    set++;
    wait_go();
    SAME("mode", prctl(PR_GET_SECCOMP), 2);
    return argument;
}

int main(void) {
    pthread_t made = thread(filtered, NULL);
    UNTIL(set);
    ready();
    wait_go();
    MUST0(pthread_join(made, NULL));
    pass();
}
