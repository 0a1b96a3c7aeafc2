// Two processes pass a turn by a futex in shared memory, and count: neither misses one. [tree memory]
#include "outlast_test.h"
#include <linux/futex.h>

struct table {
    atomic_int turn;
    atomic_bool stop;
    long counts[2];
};

static void play(struct table *table, int own) {
    while (!table->stop) {
        // 0 and 1 by turns; -1 is the end.
        while (table->turn == !own) syscall(SYS_futex, &table->turn, FUTEX_WAIT, !own, NULL, NULL, 0);
        if (table->turn == -1) return;
        long ahead = table->counts[own] - table->counts[!own];
        HOLDS(ahead == (own ? -1 : 0), "%ld ahead in %d", ahead, own);
        table->counts[own]++;
        if (own == 0 && table->stop) break;
        table->turn = !own;
        syscall(SYS_futex, &table->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    table->turn = -1;
    syscall(SYS_futex, &table->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void *player(void *argument) {
    play(argument, 0);
    return NULL;
}

int main(void) {
    struct table *table = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pid_t kid = child();
    if (!kid) {
        play(table, 1);
        done();
    }
    pthread_t made = thread(player, table);
    UNTIL(table->counts[1] > 20);
    ready();
    wait_go();
    long before = table->counts[1];
    UNTIL(table->counts[1] > before + 20);
    table->stop = true;
    MUST0(pthread_join(made, NULL));
    ended_well(kid);
    pass();
}
