// Sleeps until a time: by the monotonic, the boot and the real clock; and a relative one that is far. [threads time]
#include "outlast_test.h"

static void until(clockid_t clock, int number) {
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_sec += 100000;
    // Ended by a signal: SIGRTMIN + number.
    int error = clock_nanosleep(clock, TIMER_ABSTIME, &time, NULL);
    SAME("clock_nanosleep", error, EINTR);
    HOLDS(exists("ending"), "sleep %d ended before its time", number);
}

static void monotonic(void) { until(CLOCK_MONOTONIC, 0); }
static void boot(void) { until(CLOCK_BOOTTIME, 1); }
static void real(void) { until(CLOCK_REALTIME, 2); }

static void relative(void) {
    struct timespec time = {100000, 0}, rest = {0, 0};
    SAME("clock_nanosleep", clock_nanosleep(CLOCK_BOOTTIME, 0, &time, &rest), EINTR);
    HOLDS(exists("ending"), "a sleep ended before its time");
    HOLDS(rest.tv_sec > 0 && rest.tv_sec <= 100000, "%ld s remained", (long)rest.tv_sec);
}

static void on_signal(int number) { (void)number; }

int main(void) {
    struct sigaction action = {.sa_handler = on_signal};
    MUST(sigaction(SIGUSR1, &action, NULL));
    struct blocked *all[] = {block_in(SYS_clock_nanosleep, monotonic), block_in(SYS_clock_nanosleep, boot),
                             block_in(SYS_clock_nanosleep, real), block_in(SYS_clock_nanosleep, relative)};
    ready();
    wait_go();
    for (int i = 0; i < 4; i++) still_blocked(all[i]);
    create_("ending");
    for (int i = 0; i < 4; i++) MUST0(pthread_kill(all[i]->thread, SIGUSR1));
    for (int i = 0; i < 4; i++) unblocked(all[i]);
    pass();
}
