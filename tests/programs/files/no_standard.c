// No descriptor is open at all: a restorer can't count on the first three. [files]
#include "outlast_test.h"

int main(void) {
    for (int i = 0; i < 3; i++) close(i);
    ready();
    wait_go();
    for (int i = 0; i < 100; i++) FAILS(fcntl(i, F_GETFD), EBADF);
    SAME("the lowest free one", open("/dev/null", O_RDWR), 0);
    pass();
}
