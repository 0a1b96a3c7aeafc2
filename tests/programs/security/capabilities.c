// Capabilities: effective, permitted, inheritable, bounding and ambient sets that all differ; of a thread its own. [root threads]
#include "capabilities.h"

static struct sets expected[2];
static atomic_int set;

static void *fewer(void *argument) {
    struct sets sets = get();
    sets.data[0].effective = 1 << CAP_KILL;
    sets.data[0].permitted = 1 << CAP_KILL | 1 << CAP_CHOWN;
    sets.data[0].inheritable = 0;
    sets.data[1].effective = sets.data[1].permitted = sets.data[1].inheritable = 0;
    set_to(&sets);
    expected[1] = get();
    set++;
    wait_go();
    struct sets found = get();
    HOLDS(!memcmp(found.data, expected[1].data, sizeof found.data), "effective %#x, permitted %#x in the thread",
          found.data[0].effective, found.data[0].permitted);
    return argument;
}

int main(void) {
    if (getuid()) skip("not root");
    struct sets sets = get();
    pthread_t made = thread(fewer, NULL);
    UNTIL(set);
    MUST(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
    MUST(prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE));
    sets.data[0].inheritable = 1 << CAP_NET_RAW | 1 << CAP_CHOWN;
    sets.data[0].effective &= ~(1u << CAP_SYS_TIME | 1u << CAP_NET_ADMIN);
    sets.data[0].permitted &= ~(1u << CAP_NET_ADMIN);
    set_to(&sets);
    MUST(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
    expected[0] = get();
    ready();
    wait_go();
    struct sets found = get();
    HOLDS(!memcmp(found.data, expected[0].data, sizeof found.data), "effective %#x, permitted %#x, inheritable %#x",
          found.data[0].effective, found.data[0].permitted, found.data[0].inheritable);
    SAME("bounding, dropped", prctl(PR_CAPBSET_READ, CAP_SYS_BOOT), 0);
    SAME("bounding, dropped", prctl(PR_CAPBSET_READ, CAP_SYS_MODULE), 0);
    SAME("bounding, kept", prctl(PR_CAPBSET_READ, CAP_NET_ADMIN), 1);
    SAME("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0), 1);
    SAME("not ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0), 0);
    MUST0(pthread_join(made, NULL));
    pass();
}
