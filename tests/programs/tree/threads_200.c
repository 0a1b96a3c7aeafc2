// Two hundred threads, each with its number, name, mask, thread-local value and stack. [threads]
#include "outlast_test.h"

#define THREADS 200

static pthread_barrier_t all_there;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go_on = PTHREAD_COND_INITIALIZER;
static bool gone_on;
static _Thread_local long local;
static atomic_int finished;

static void *one(void *argument) {
    long index = (long)argument, on_stack = index * 3;
    volatile long *stack = &on_stack;
    pid_t tid = gettid();
    char name[16], found[16];
    snprintf(name, sizeof name, "thread %ld", index);
    MUST(prctl(PR_SET_NAME, name));
    sigset_t mask, now;
    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN + index % 20);
    MUST0(pthread_sigmask(SIG_SETMASK, &mask, NULL));
    local = index * 7;
    pthread_barrier_wait(&all_there);
    pthread_mutex_lock(&mutex);
    while (!gone_on) pthread_cond_wait(&go_on, &mutex);
    pthread_mutex_unlock(&mutex);
    SAME("tid", syscall(SYS_gettid), tid);
    SAME("thread-local value", local, index * 7);
    SAME("value on the stack", *stack, index * 3);
    MUST(prctl(PR_GET_NAME, found));
    HOLDS(!strcmp(name, found), "%s", found);
    MUST0(pthread_sigmask(SIG_SETMASK, NULL, &now));
    HOLDS(!memcmp(&mask, &now, 8), "another mask in thread %ld", index);
    finished++;
    return (void *)(index + 1000);
}

int main(void) {
    pthread_t threads[THREADS];
    pthread_barrier_init(&all_there, NULL, THREADS + 1);
    for (long i = 0; i < THREADS; i++) threads[i] = thread(one, (void *)i);
    pthread_barrier_wait(&all_there);
    ready();
    wait_go();
    pthread_mutex_lock(&mutex);
    gone_on = true;
    pthread_cond_broadcast(&go_on);
    pthread_mutex_unlock(&mutex);
    for (long i = 0; i < THREADS; i++) {
        void *result;
        MUST0(pthread_join(threads[i], &result));
        SAME("result", (long)result, i + 1000);
    }
    SAME("threads that finished", finished, THREADS);
    pass();
}
