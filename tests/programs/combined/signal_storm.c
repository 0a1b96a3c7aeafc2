// Two processes send each other numbered signals all the time: none is lost, and they come in order. [signals tree]
#include "outlast_test.h"

static pid_t peer;
static volatile long received;

// Answers each with the next number.
static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    if (info->si_value.sival_int != received + 1) {
        static char text[] = "a signal out of order\n";
        if (write(2, text, sizeof text - 1) < 0) _exit(2);
        _exit(9);
    }
    received++;
    union sigval next = {.sival_int = received + (number == SIGRTMIN ? 0 : 1)};
    // SIGRTMIN goes to the child, SIGRTMIN + 1 comes back.
    sigqueue(peer, number == SIGRTMIN ? SIGRTMIN + 1 : SIGRTMIN, next);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaddset(&action.sa_mask, SIGRTMIN);
    sigaddset(&action.sa_mask, SIGRTMIN + 1);
    MUST(sigaction(SIGRTMIN, &action, NULL));
    MUST(sigaction(SIGRTMIN + 1, &action, NULL));
    pid_t kid = child();
    if (!kid) {
        peer = getppid();
        create_("there");
        // A sleep that is interrupted too often never ends, if it goes on with what remained.
        while (!exists("end")) {
            struct timespec ms = {0, MS};
            nanosleep(&ms, NULL);
        }
        done();
    }
    peer = kid;
    UNTIL(exists("there"));
    union sigval first = {.sival_int = 1};
    MUST(sigqueue(kid, SIGRTMIN, first));
    UNTIL(received > 50);
    ready();
    wait_go();
    long before = received;
    UNTIL(received > before + 50);
    create_("end");
    ended_well(kid);
    pass();
}
