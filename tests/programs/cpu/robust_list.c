// The list of robust locks is kept: a lock whose owner dies is handed over, in a thread and in another process. [threads tree]
#include "outlast_test.h"

static pthread_mutex_t *mutexes;

static void *owner(void *argument) {
    MUST0(pthread_mutex_lock(&mutexes[0]));
    create_("thread");
    wait_go();
    return argument;
}

int main(void) {
    mutexes = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    MUST0(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
    MUST0(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED));
    for (int i = 0; i < 2; i++) MUST0(pthread_mutex_init(&mutexes[i], &attributes));
    pid_t kid = child();
    if (!kid) {
        MUST0(pthread_mutex_lock(&mutexes[1]));
        create_("process");
        wait_go();
        raise(SIGKILL);
    }
    pthread_t made = thread(owner, NULL);
    UNTIL(exists("thread") && exists("process"));
    ready();
    wait_go();
    for (int i = 0; i < 2; i++) {
        int result = pthread_mutex_lock(&mutexes[i]);
        SAME("lock of a dead owner", result, EOWNERDEAD);
        MUST0(pthread_mutex_consistent(&mutexes[i]));
        MUST0(pthread_mutex_unlock(&mutexes[i]));
    }
    MUST0(pthread_join(made, NULL));
    int status;
    SAME("child", waitpid(kid, &status, 0), kid);
    HOLDS(WIFSIGNALED(status), "%#x", status);
    pass();
}
