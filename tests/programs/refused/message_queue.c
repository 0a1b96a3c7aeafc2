// A POSIX message queue isn't carried. [refused:mqueue]
#include "outlast_test.h"
#include <mqueue.h>

int main(void) {
    char name[64];
    snprintf(name, sizeof name, "/outlast-test-%d", getpid());
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
    if (queue < 0) skip("no message queues: %s", strerror(errno));
    MUST(mq_unlink(name));
    MUST(mq_send(queue, "hello", 5, 3));
    ready();
    wait_go();
    static char text[65536];
    unsigned priority;
    SAME("received", MUST(mq_receive(queue, text, sizeof text, &priority)), 5);
    SAME("priority", priority, 3);
    pass();
}
