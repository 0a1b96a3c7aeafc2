// Three thousand queued signals, in their order. [signals]
#include "outlast_test.h"

#define COUNT 3000

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 9);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    for (int i = 0; i < COUNT; i++) {
        union sigval value = {.sival_int = i};
        if (sigqueue(getpid(), SIGRTMIN + 9, value) < 0) skip("not so many signals: %s", strerror(errno));
    }
    ready();
    wait_go();
    siginfo_t info;
    struct timespec none = {0, 0};
    for (int i = 0; i < COUNT; i++) {
        SAME("signal", MUST(sigtimedwait(&set, &info, &none)), SIGRTMIN + 9);
        SAME("value", info.si_value.sival_int, i);
    }
    FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
    pass();
}
