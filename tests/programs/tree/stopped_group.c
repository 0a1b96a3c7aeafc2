// A stopped process group, with threads and with signals pending in it. [tree threads]
#include "outlast_test.h"

static volatile sig_atomic_t came;
static atomic_int there;

static void on_usr1(int number) { came = number; }

static void *worker(void *argument) {
    there++;
    while (!may_go()) nap_ms(1);
    return argument;
}

static pid_t member(pid_t group, const char *name) {
    pid_t made = child();
    if (made) return made;
    signal(SIGUSR1, on_usr1);
    MUST(setpgid(0, group));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) threads[i] = thread(worker, NULL);
    UNTIL(there == 4);
    create_(name);
    UNTIL(came);
    for (int i = 0; i < 4; i++) MUST0(pthread_join(threads[i], NULL));
    done();
}

int main(void) {
    pid_t leader = member(0, "leader");
    UNTIL(exists("leader"));
    pid_t other = member(leader, "other");
    UNTIL(exists("other"));
    MUST(kill(-leader, SIGSTOP));
    int status;
    SAME("stopped", waitpid(leader, &status, WUNTRACED), leader);
    SAME("stopped", waitpid(other, &status, WUNTRACED), other);
    // Pending until they go on.
    MUST(kill(leader, SIGUSR1));
    MUST(kill(other, SIGUSR1));
    ready();
    wait_go();
    nap_ms(10);
    SAME("still there", waitpid(-1, &status, WNOHANG | WUNTRACED), 0);
    MUST(kill(-leader, SIGCONT));
    ended_well(leader);
    ended_well(other);
    pass();
}
