// inotify events that nobody read yet. [files hard refused:inotify]
#include "outlast_test.h"
#include <sys/inotify.h>

int main(void) {
    static char buffer[4096] __attribute__((aligned(8)));
    MUST(mkdir("watched", 0700));
    int notify = MUST(inotify_init1(IN_NONBLOCK));
    int watch = MUST(inotify_add_watch(notify, "watched", IN_CREATE));
    create_("watched/first");
    create_("watched/second");
    ready();
    wait_go();
    long length = MUST(read(notify, buffer, sizeof buffer));
    struct inotify_event *event = (void *)buffer;
    SAME("watch", event->wd, watch);
    HOLDS(!strcmp(event->name, "first"), "%s", event->name);
    HOLDS(length > (long)(sizeof *event + event->len), "one event");
    pass();
}
