// A BPF map isn't carried. [refused:bpf]
#include "outlast_test.h"
#include <linux/bpf.h>

int main(void) {
    union bpf_attr about = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 4};
    int fd = syscall(SYS_bpf, BPF_MAP_CREATE, &about, sizeof about);
    if (fd < 0) skip("no BPF: %s", strerror(errno));
    ready();
    wait_go();
    int key = 2;
    uint64_t value = 1;
    union bpf_attr look = {.map_fd = fd, .key = (uintptr_t)&key, .value = (uintptr_t)&value};
    MUST(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &look, sizeof look));
    SAME("value", value, 0);
    pass();
}
