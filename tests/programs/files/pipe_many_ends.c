// A pipe with several descriptors of each end, flags of each, one opened anew by its link: still one pipe. [files same-pids]
#include "outlast_test.h"

int main(void) {
    int ends[2];
    MUST(pipe(ends));
    int dupped = MUST(dup(ends[0]));
    // Another description of the same end.
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    int anew = open(path, O_RDONLY | O_NONBLOCK);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    int both = open(path, O_RDWR);
    if (anew < 0 || both < 0) skip("no /proc");
    MUST(write(ends[1], "abcdef", 6));
    ready();
    wait_go();
    char text[8];
    SAME("flags", fcntl(anew, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK);
    SAME("flags of the first", fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
    SAME("flags of both", fcntl(both, F_GETFL) & O_ACCMODE, O_RDWR);
    int from[] = {anew, ends[0], dupped, both};
    for (int i = 0; i < 4; i++) {
        SAME("read", MUST(read(from[i], text, 1)), 1);
        SAME("content", text[0], 'a' + i);
    }
    MUST(write(both, "g", 1));
    SAME("read", MUST(read(anew, text, 8)), 3);
    FAILS(read(anew, text, 8), EAGAIN);
    pass();
}
