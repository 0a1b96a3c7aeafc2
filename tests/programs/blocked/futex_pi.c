// A thread waits for a mutex with priority inheritance that another owns; robust too. [threads]
#include "outlast_test.h"

static pthread_mutex_t mutex;
static bool changed;

static void body(void) {
    MUST0(pthread_mutex_lock(&mutex));
    HOLDS(changed, "the lock, too early");
    MUST0(pthread_mutex_unlock(&mutex));
}

int main(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    MUST0(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT));
    MUST0(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    MUST0(pthread_mutex_init(&mutex, &attributes));
    MUST0(pthread_mutex_lock(&mutex));
    struct blocked *one = block_in(SYS_futex, body);
    ready();
    wait_go();
    still_blocked(one);
    changed = true;
    MUST0(pthread_mutex_unlock(&mutex));
    unblocked(one);
    MUST0(pthread_mutex_lock(&mutex));
    pass();
}
