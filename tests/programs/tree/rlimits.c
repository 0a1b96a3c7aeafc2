// Resource limits, soft and hard, of a process and of its child. [tree]
#include "outlast_test.h"
#include <sys/resource.h>

static void check(const struct rlimit *expected) {
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit found;
        MUST(getrlimit(i, &found));
        HOLDS(found.rlim_cur == expected[i].rlim_cur && found.rlim_max == expected[i].rlim_max,
              "limit %d: %lld, %lld", i, (long long)found.rlim_cur, (long long)found.rlim_max);
    }
}

static void lower(struct rlimit *all, int which, rlim_t soft, rlim_t hard) {
    if (hard < all[which].rlim_max) all[which].rlim_max = hard;
    if (soft <= all[which].rlim_max) all[which].rlim_cur = soft;
    MUST(setrlimit(which, &all[which]));
}

int main(void) {
    struct rlimit all[RLIM_NLIMITS];
    for (int i = 0; i < RLIM_NLIMITS; i++) MUST(getrlimit(i, &all[i]));
    lower(all, RLIMIT_NOFILE, 77, 500);
    lower(all, RLIMIT_STACK, 1 << 20, RLIM_INFINITY);
    lower(all, RLIMIT_CORE, 0, 4096);
    lower(all, RLIMIT_SIGPENDING, 50, 100);
    pid_t kid = child();
    if (!kid) {
        // Lower than what is open now, and than what a restorer may want to open.
        int high = MUST(fcntl(0, F_DUPFD, 60));
        lower(all, RLIMIT_NOFILE, 8, 8);
        lower(all, RLIMIT_FSIZE, 1 << 20, 1 << 20);
        lower(all, RLIMIT_AS, 1ull << 32, 1ull << 33);
        lower(all, RLIMIT_DATA, 1 << 28, 1 << 29);
        lower(all, RLIMIT_CPU, 1000, 2000);
        create_("set");
        wait_go();
        check(all);
        MUST(fcntl(high, F_GETFD));
        done();
    }
    UNTIL(exists("set"));
    ready();
    wait_go();
    check(all);
    ended_well(kid);
    pass();
}
