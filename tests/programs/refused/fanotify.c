// A fanotify descriptor isn't carried. [refused:fanotify root]
#include "outlast_test.h"
#include <sys/fanotify.h>

int main(void) {
    int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
    if (fd < 0) skip("no fanotify: %s", strerror(errno));
    ready();
    wait_go();
    char text[64];
    FAILS(read(fd, text, sizeof text), EAGAIN);
    pass();
}
