// Files that are made, written, locked, renamed, deleted while open and closed all the time by two threads and a child. [files threads tree]
#include "outlast_test.h"
#include <sys/file.h>

static atomic_bool stop;
static atomic_long rounds[2];

static void churn(int index, uint64_t number) {
    char a[32], b[32];
    uint64_t block[64], found[64];
    snprintf(a, sizeof a, "churn-%d", index);
    snprintf(b, sizeof b, "churned-%d", index);
    int fd = MUST(open(in_folder(a), O_RDWR | O_CREAT | O_TRUNC, 0600));
    fill(block, sizeof block, number);
    SAME("written", write(fd, block, 256), 256);
    MUST(flock(fd, LOCK_EX));
    MUST(rename(in_folder(a), in_folder(b)));
    SAME("written", write(fd, block + 32, 256), 256);
    int twin = MUST(open(in_folder(b), O_RDONLY));
    MUST(unlink(in_folder(b)));
    SAME("read", read(twin, found, sizeof found), sizeof found);
    HOLDS(!memcmp(block, found, sizeof found), "another content in round %lu", (unsigned long)number);
    SAME("offset", lseek(fd, 0, SEEK_CUR), 512);
    close(fd);
    close(twin);
}

static void *run(void *argument) {
    int index = (int)(long)argument;
    for (uint64_t number = 0; !stop; number++, rounds[index]++) churn(index, number);
    return NULL;
}

int main(void) {
    pid_t kid = child();
    if (!kid) {
        for (uint64_t number = 0; !exists("end"); number++) {
            churn(2, number);
            if (number == 10) create_("churning");
        }
        done();
    }
    pthread_t threads[] = {thread(run, NULL), thread(run, (void *)1)};
    UNTIL(rounds[0] > 10 && rounds[1] > 10 && exists("churning"));
    ready();
    wait_go();
    long before[] = {rounds[0], rounds[1]};
    UNTIL(rounds[0] > before[0] + 10 && rounds[1] > before[1] + 10);
    stop = true;
    create_("end");
    for (int i = 0; i < 2; i++) MUST0(pthread_join(threads[i], NULL));
    ended_well(kid);
    pass();
}
