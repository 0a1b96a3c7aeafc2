// The capability sets of a thread, by the kernel's own calls.
#ifndef CAPABILITIES_H
#define CAPABILITIES_H

#include "outlast_test.h"
#include <linux/capability.h>

struct sets {
    struct {
        uint32_t version;
        int pid;
    } head;
    struct {
        uint32_t effective, permitted, inheritable;
    } data[2];
};

static UNUSED struct sets get(void) {
    struct sets sets = {.head = {0x20080522, 0}};
    MUST(syscall(SYS_capget, &sets.head, sets.data));
    return sets;
}

static UNUSED void set_to(struct sets *sets) { MUST(syscall(SYS_capset, &sets->head, sets->data)); }

#endif
