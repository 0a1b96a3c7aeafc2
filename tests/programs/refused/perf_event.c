// A performance counter isn't carried. [refused:perf_event]
#include "outlast_test.h"
#include <linux/perf_event.h>

int main(void) {
    struct perf_event_attr about = {.type = PERF_TYPE_SOFTWARE, .size = sizeof about, .config = PERF_COUNT_SW_PAGE_FAULTS};
    int fd = syscall(SYS_perf_event_open, &about, 0, -1, -1, 0);
    if (fd < 0) skip("no performance counters: %s", strerror(errno));
    ready();
    wait_go();
    uint64_t count;
    SAME("read", MUST(read(fd, &count, 8)), 8);
    pass();
}
