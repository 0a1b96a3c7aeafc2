// Names of threads, with all that a name may have in it. [threads]
#include "outlast_test.h"

static const char *names[] = {"a b) S 1 (x", "", "\xff\x01\n\t", "fifteen letters"};
static atomic_int set;

static void *named(void *argument) {
    const char *name = argument;
    char found[17] = "";
    MUST(prctl(PR_SET_NAME, name));
    set++;
    wait_go();
    MUST(prctl(PR_GET_NAME, found));
    HOLDS(!strcmp(found, name), "%s", found);
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) threads[i] = thread(named, (void *)names[i]);
    char found[17] = "";
    MUST(prctl(PR_SET_NAME, "R (zombie) Z 0"));
    UNTIL(set == 4);
    ready();
    wait_go();
    MUST(prctl(PR_GET_NAME, found));
    HOLDS(!strcmp(found, "R (zombie) Z 0"), "%s", found);
    for (int i = 0; i < 4; i++) MUST0(pthread_join(threads[i], NULL));
    pass();
}
