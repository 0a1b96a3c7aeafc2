// Mappings that are made, moved, protected and unmade all the time by several threads. [threads memory]
#include "outlast_test.h"

static atomic_bool stop;
static atomic_long rounds[3];

static void *run(void *argument) {
    long index = (long)argument;
    for (uint64_t count = 0; !stop; count++, rounds[index]++) {
        size_t size = (1 + word_at(index, count) % 40) * 4096;
        char *at = MUST(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        fill(at, size, count);
        at = MUST(mremap(at, size, size * 2, MREMAP_MAYMOVE));
        CHECK_FILL("moved", at, size, count);
        MUST(mprotect(at, 4096, PROT_READ));
        CHECK_FILL("protected", at, 4096, count);
        MUST(munmap(at, size * 2));
    }
    return NULL;
}

int main(void) {
    pthread_t threads[3];
    for (long i = 0; i < 3; i++) threads[i] = thread(run, (void *)i);
    for (int i = 0; i < 3; i++) UNTIL(rounds[i] > 20);
    ready();
    wait_go();
    for (int i = 0; i < 3; i++) {
        long before = rounds[i];
        UNTIL(rounds[i] > before + 20);
    }
    stop = true;
    for (int i = 0; i < 3; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
