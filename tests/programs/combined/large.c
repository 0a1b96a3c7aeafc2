// 256 MiB, of which half is written again and again by two threads with a sum that is known. [threads memory slow]
#include "outlast_test.h"

#define SIZE (256ul << 20)

static uint64_t *all;
static atomic_bool stop;
static atomic_long generations[2];

static void *writer(void *argument) {
    long half = (long)argument;
    uint64_t *own = all + half * (SIZE / 16);
    for (uint64_t generation = 1; !stop; generation++) {
        // Each word is the generation, or the one before: nothing else is ever there.
        for (size_t i = 0; i < SIZE / 16; i += 64) {
            uint64_t found = own[i];
            if (found != generation - 1)
                fail("word %zu of half %ld: expected %llu, found %llu", i, half, (unsigned long long)generation - 1,
                     (unsigned long long)found);
            own[i] = generation;
        }
        generations[half]++;
    }
    return NULL;
}

int main(void) {
    all = MUST(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    pthread_t threads[] = {thread(writer, NULL), thread(writer, (void *)1)};
    UNTIL(generations[0] > 1 && generations[1] > 1);
    ready();
    wait_go();
    long before[] = {generations[0], generations[1]};
    UNTIL(generations[0] > before[0] + 1 && generations[1] > before[1] + 1);
    stop = true;
    for (int i = 0; i < 2; i++) MUST0(pthread_join(threads[i], NULL));
    for (int half = 0; half < 2; half++)
        for (size_t i = 0; i < SIZE / 16; i += 64)
            SAME("at the end", all[half * (SIZE / 16) + i], generations[half]);
    pass();
}
