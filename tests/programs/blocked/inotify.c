// A thread reads inotify events: those of files that the program makes itself, after. [threads files]
#include "outlast_test.h"
#include <sys/inotify.h>

static int notify, watch;

static void body(void) {
    char buffer[1024] __attribute__((aligned(8)));
    SAME("read", MUST(read(notify, buffer, sizeof buffer)) > 0, 1);
    struct inotify_event *event = (void *)buffer;
    SAME("watch", event->wd, watch);
    SAME("mask", event->mask, IN_CREATE);
    HOLDS(!strcmp(event->name, "new"), "%s", event->name);
}

int main(void) {
    MUST(mkdir("watched", 0700));
    notify = MUST(inotify_init1(IN_CLOEXEC));
    watch = MUST(inotify_add_watch(notify, "watched", IN_CREATE));
    struct blocked *one = block_in(SYS_read, body);
    ready();
    wait_go();
    still_blocked(one);
    create_("watched/new");
    unblocked(one);
    pass();
}
