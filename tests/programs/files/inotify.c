// inotify: watches with numbers that have gaps, on files and directories, with their masks. [files]
#include "outlast_test.h"
#include <sys/inotify.h>

static char buffer[4096] __attribute__((aligned(8)));

int main(void) {
    int notify = MUST(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), watches[6];
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "watched-%d", i);
        if (i == 3) create_(name);
        else MUST(mkdir(name, 0700));
        watches[i] = MUST(inotify_add_watch(notify, name, i == 3 ? IN_MODIFY : IN_CREATE | IN_DELETE));
    }
    MUST(inotify_rm_watch(notify, watches[1]));
    MUST(inotify_rm_watch(notify, watches[2]));
    while (read(notify, buffer, sizeof buffer) > 0) {}
    // Renamed since: the watch is of the directory, whatever its name.
    MUST(rename("watched-5", "renamed"));
    ready();
    wait_go();
    FAILS(read(notify, buffer, sizeof buffer), EAGAIN);
    create_("watched-0/new");
    create_("watched-1/new");
    write_file("watched-3", "x", 1);
    create_("renamed/new");
    int seen[6] = {0};
    for (long length; (length = read(notify, buffer, sizeof buffer)) > 0;)
        for (long at = 0; at < length;) {
            struct inotify_event *event = (void *)(buffer + at);
            for (int i = 0; i < 6; i++) seen[i] += watches[i] == event->wd;
            at += sizeof *event + event->len;
        }
    SAME("first", seen[0], 1);
    SAME("removed", seen[1] + seen[2], 0);
    HOLDS(seen[3] >= 1, "%d events", seen[3]);
    SAME("renamed", seen[5], 1);
    int next = MUST(inotify_add_watch(notify, "watched-1", IN_CREATE));
    HOLDS(next > watches[5], "watch %d after %d", next, watches[5]);
    pass();
}
