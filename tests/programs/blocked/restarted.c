// Sleeps and waits that were stopped and continued before: the call the kernel is in is restart_syscall. [threads tree signals]
#include "outlast_test.h"
#include <linux/futex.h>
#include <poll.h>

static int ends[2], word;

static void sleeping(void) {
    struct timespec time = {100000, 0}, rest = {0, 0};
    FAILS(syscall(SYS_nanosleep, &time, &rest), EINTR);
    HOLDS(exists("ending") && rest.tv_sec > 90000 && rest.tv_sec <= 100000, "%ld s remained", (long)rest.tv_sec);
}

static void sleeping_by_clock(void) {
    struct timespec time = {100000, 0}, rest = {0, 0};
    SAME("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &rest), EINTR);
    HOLDS(exists("ending") && rest.tv_sec > 90000 && rest.tv_sec <= 100000, "%ld s remained", (long)rest.tv_sec);
}

static void polling(void) {
    struct pollfd one = {ends[0], POLLIN, 0};
    SAME("poll", syscall(SYS_poll, &one, 1, 100000000), 1);
}

static void waiting(void) {
    struct timespec time = {100000, 0};
    SAME("futex", MUST(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &time, NULL, 0)), 0);
}

static void on_usr1(int number) { (void)number; }

int main(void) {
    pid_t kid = child();
    if (!kid) {
        signal(SIGUSR1, on_usr1);
        MUST(pipe(ends));
        struct blocked *all[] = {block_in(SYS_nanosleep, sleeping), block_in(SYS_clock_nanosleep, sleeping_by_clock),
                                 block_in(SYS_poll, polling), block_in(SYS_futex, waiting)};
        create_("blocked");
        UNTIL(exists("stopped"));
        for (int i = 0; i < 4; i++) until_in_call(all[i]->tid, SYS_restart_syscall);
        create_("restarted");
        wait_go();
        for (int i = 0; i < 4; i++) still_blocked(all[i]);
        create_("ending");
        MUST0(pthread_kill(all[0]->thread, SIGUSR1));
        MUST0(pthread_kill(all[1]->thread, SIGUSR1));
        MUST(write(ends[1], "x", 1));
        MUST(syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0));
        for (int i = 0; i < 4; i++) unblocked(all[i]);
        done();
    }
    UNTIL(exists("blocked"));
    MUST(kill(kid, SIGSTOP));
    int status;
    SAME("stopped", waitpid(kid, &status, WUNTRACED), kid);
    create_("stopped");
    MUST(kill(kid, SIGCONT));
    UNTIL(exists("restarted"));
    ready();
    wait_go();
    ended_well(kid);
    pass();
}
