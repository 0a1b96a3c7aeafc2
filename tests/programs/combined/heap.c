// Threads that allocate, check and free all the time: the heap of the C library stays sound. [threads memory]
#include "outlast_test.h"

#define SLOTS 200

static atomic_bool stop;
static atomic_long rounds[4];

static void *run(void *argument) {
    long index = (long)argument;
    uint64_t *slots[SLOTS] = {0};
    size_t sizes[SLOTS] = {0};
    for (uint64_t count = 0; !stop; count++, rounds[index]++) {
        uint64_t choice = word_at(index, count);
        int slot = choice % SLOTS;
        if (slots[slot]) {
            CHECK_FILL("block", slots[slot], sizes[slot], slot + index * 1000);
            free(slots[slot]);
        }
        // Some large enough to be mappings of their own.
        sizes[slot] = (choice >> 20) % (choice % 64 == 0 ? 1000000 : 3000) & ~7ul;
        slots[slot] = malloc(sizes[slot] + 8);
        fill(slots[slot], sizes[slot], slot + index * 1000);
    }
    for (int i = 0; i < SLOTS; i++) free(slots[i]);
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) threads[i] = thread(run, (void *)i);
    for (int i = 0; i < 4; i++) UNTIL(rounds[i] > 100);
    ready();
    wait_go();
    for (int i = 0; i < 4; i++) {
        long before = rounds[i];
        UNTIL(rounds[i] > before + 100);
    }
    stop = true;
    for (int i = 0; i < 4; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
