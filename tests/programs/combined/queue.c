// Threads that pass numbers through a queue with a lock and two conditions, some with timeouts: each number arrives once. [threads time]
#include "outlast_test.h"

#define SLOTS 8

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled, emptied;
static uint64_t slots[SLOTS], first, last, given, given_sum, taken, taken_sum;
static bool stop;

static void *giver(void *argument) {
    for (;;) {
        pthread_mutex_lock(&mutex);
        while (last - first == SLOTS && !stop) pthread_cond_wait(&emptied, &mutex);
        if (stop) break;
        slots[last++ % SLOTS] = ++given;
        given_sum += given;
        pthread_cond_signal(&filled);
        pthread_mutex_unlock(&mutex);
    }
    pthread_mutex_unlock(&mutex);
    return argument;
}

static void *taker(void *argument) {
    for (;;) {
        pthread_mutex_lock(&mutex);
        while (first == last && !stop) {
            struct timespec until;
            clock_gettime(CLOCK_MONOTONIC, &until);
            until.tv_nsec += 3 * MS;
            if (until.tv_nsec >= SEC) until.tv_sec++, until.tv_nsec -= SEC;
            int error = pthread_cond_timedwait(&filled, &mutex, &until);
            HOLDS(error == 0 || error == ETIMEDOUT, "%s", strerror(error));
        }
        if (first == last) break;
        taken_sum += slots[first++ % SLOTS];
        bool slow = ++taken % 1000 == 0;
        pthread_cond_signal(&emptied);
        pthread_mutex_unlock(&mutex);
        if (slow) nap_ms(4);
    }
    pthread_mutex_unlock(&mutex);
    return argument;
}

static uint64_t so_far(void) {
    pthread_mutex_lock(&mutex);
    uint64_t found = taken;
    pthread_mutex_unlock(&mutex);
    return found;
}

int main(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    MUST0(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    MUST0(pthread_cond_init(&filled, &attributes));
    MUST0(pthread_cond_init(&emptied, &attributes));
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) threads[i] = thread(i % 2 ? giver : taker, NULL);
    UNTIL(so_far() > 2000);
    ready();
    wait_go();
    uint64_t before = so_far();
    UNTIL(so_far() > before + 2000);
    pthread_mutex_lock(&mutex);
    stop = true;
    pthread_cond_broadcast(&filled);
    pthread_cond_broadcast(&emptied);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 6; i++) MUST0(pthread_join(threads[i], NULL));
    SAME("taken", taken, given);
    SAME("sum", taken_sum, given_sum);
    pass();
}
