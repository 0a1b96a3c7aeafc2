// A shell with a loop, a pipeline and a child that sleeps: programs that nobody wrote for this. [tree files]
#include "outlast_test.h"

int main(void) {
    write_file("input", "delta\nalpha\ncharlie\nbravo\n", 26);
    pid_t kid = child();
    if (!kid) {
        execl("/bin/sh", "sh", "-c",
              "n=0; : > begun; while ! [ -e go ]; do n=$((n + 1)); sleep 0.01; done; sort input | tr a-z A-Z > output; "
              "wait; exit 0",
              (char *)NULL);
        fail("no /bin/sh: %s", strerror(errno));
    }
    UNTIL(exists("begun"));
    ready();
    wait_go();
    ended_well(kid);
    char text[64];
    read_file("output", text, sizeof text);
    HOLDS(!strcmp(text, "ALPHA\nBRAVO\nCHARLIE\nDELTA\n"), "%s", text);
    pass();
}
