// The right to use an input and output port, which no file of /proc tells. [refused:port hard root]
#include "outlast_test.h"
#include <sys/io.h>

int main(void) {
    if (ioperm(0x80, 1, 1) < 0) skip("no ports: %s", strerror(errno));
    ready();
    wait_go();
    // The port of a diagnostic that nobody reads.
    outb(0, 0x80);
    pass();
}
