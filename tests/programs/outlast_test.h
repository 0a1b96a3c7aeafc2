// What all test programs share. Each is a tiny C program that sets up one kernel resource, says so, waits, and then
// checks that everything is as it was, whatever was done to it in between: nothing, or cycles of checkpoint, kill, restore.
//
//   start ──▶ sets its state up ──▶ ready() ┄┄ any number of cycles ┄┄ wait_go() ──▶ checks ──▶ pass() or fail()
//
// - It starts in an empty folder of its own (absolute paths to it are made by `in_folder`), in its own session, with
//   /dev/null as standard input and files opened for appending as the two others; nothing else is open.
// - `ready` is created by the root of the process tree; `go` comes from outside; `verdict` is written by whoever ends it first.
// - How long it was stopped is unknown to it, and may be minutes: waits count polls, not time, and checks of time are
//   of the kind "not earlier", "not more than before", "consistent".
// - A program that needs what this machine doesn't have ends with skip().
//
// The first line of each program is `// What it checks. [tags]`; the harness reads it.
#ifndef OUTLAST_TEST_H
#define OUTLAST_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define MS 1000000LL
#define SEC 1000000000LL

// A program that nobody tells to go on ends by itself: a quarter of an hour of running.
#define POLLS_FOR_GO 900000
// For what comes soon: half a minute of running.
#define POLLS_SOON 30000

static char folder_[PATH_MAX];
static pid_t pid_at_ready_, sid_at_ready_, pgid_at_ready_;

__attribute__((constructor)) static void remember_folder_(void) {
    if (!getcwd(folder_, sizeof folder_)) _exit(2);
}

// The path of a name in the program's folder, wherever its current directory is. A handful at a time.
static UNUSED const char *in_folder(const char *name) {
    static _Thread_local char ring[8][PATH_MAX + 64];
    static _Thread_local unsigned next;
    char *path = ring[next++ % 8];
    snprintf(path, sizeof ring[0], "%s/%s", folder_, name);
    return path;
}

static UNUSED void create_(const char *name) {
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0) close(fd);
}

// The first verdict counts: it is linked into place, which fails if there is one.
static UNUSED void verdict_(const char *text) {
    char name[64];
    snprintf(name, sizeof name, "verdict.%ld.%d", (long)syscall(SYS_gettid), rand());
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return;
    if (write(fd, text, strlen(text)) < 0) _exit(2);
    close(fd);
    if (link(in_folder(name), in_folder("verdict")) < 0 && errno != EEXIST) _exit(2);
    unlink(in_folder(name));
}

// Everything is as it was. Only the root of the tree says that.
static UNUSED _Noreturn void pass(void) {
    verdict_("pass\n");
    _exit(0);
}

// The end, with `skip: …` or `fail: …` as the verdict, and on standard error.
static UNUSED _Noreturn void end_(int status, const char *how, const char *format, va_list list) {
    char text[1024];
    size_t length = snprintf(text, sizeof text, "%s: ", how);
    vsnprintf(text + length, sizeof text - length - 1, format, list);
    strcat(text, "\n");
    if (write(2, text, strlen(text)) < 0) { /* the verdict says it too */ }
    verdict_(text);
    _exit(status);
}

// This machine lacks what the program is about.
static UNUSED _Noreturn __attribute__((format(printf, 1, 2))) void skip(const char *format, ...) {
    va_list list;
    va_start(list, format);
    end_(77, "skip", format, list);
}

// Something isn't as it was: what was expected, what was found. Any thread or process of the tree may say so.
static UNUSED _Noreturn __attribute__((format(printf, 1, 2))) void fail(const char *format, ...) {
    va_list list;
    va_start(list, format);
    end_(1, "fail", format, list);
}

// The value of a call that has to succeed.
#define MUST(call)                                                                                                     \
    ({                                                                                                                 \
        __typeof__(call) value_ = (call);                                                                              \
        if ((long)value_ == -1)                                                                                        \
            fail("%s:%d: %s: expected success, found: %s", __FILE_NAME__, __LINE__, #call, strerror(errno));           \
        value_;                                                                                                        \
    })
#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif

// A call that returns an error number (pthread_…) and has to succeed.
#define MUST0(call)                                                                                                    \
    do {                                                                                                               \
        int error_ = (call);                                                                                           \
        if (error_) fail("%s:%d: %s: expected success, found: %s", __FILE_NAME__, __LINE__, #call, strerror(error_));  \
    } while (0)

// Two numbers are equal.
#define SAME(what, found, expected)                                                                                    \
    do {                                                                                                               \
        long long found_ = (long long)(found), expected_ = (long long)(expected);                                      \
        if (found_ != expected_)                                                                                       \
            fail("%s:%d: %s: expected %lld (%#llx), found %lld (%#llx)", __FILE_NAME__, __LINE__, what, expected_,     \
                 expected_, found_, found_);                                                                           \
    } while (0)

// A condition holds.
#define HOLDS(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            char more_[512];                                                                                           \
            snprintf(more_, sizeof more_, __VA_ARGS__);                                                                \
            fail("%s:%d: expected %s, found: %s", __FILE_NAME__, __LINE__, #condition, more_);                         \
        }                                                                                                              \
    } while (0)

// A call fails with an error number.
#define FAILS(call, number)                                                                                            \
    do {                                                                                                               \
        long value_ = (long)(call);                                                                                    \
        int errno_ = errno;                                                                                            \
        if (value_ != -1 || errno_ != (number))                                                                        \
            fail("%s:%d: %s: expected %s, found %ld (%s)", __FILE_NAME__, __LINE__, #call, strerror(number), value_,   \
                 value_ == -1 ? strerror(errno_) : "success");                                                         \
    } while (0)

static UNUSED void nap_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * MS};
    while (nanosleep(&time, &time) < 0 && errno == EINTR) {}
}

static UNUSED bool exists(const char *name) {
    struct stat st;
    return stat(in_folder(name), &st) == 0;
}

// Waits for a condition, by polling.
#define UNTIL(condition)                                                                                               \
    do {                                                                                                               \
        for (long polls_ = 0; !(condition); polls_++) {                                                                \
            if (polls_ > POLLS_SOON) fail("%s:%d: expected soon: %s", __FILE_NAME__, __LINE__, #condition);            \
            if (polls_ % 64 == 63 && exists("verdict")) _exit(1); /* another process has failed */                     \
            struct timespec ms_ = {0, MS};                                                                             \
            nanosleep(&ms_, NULL);                                                                                     \
        }                                                                                                              \
    } while (0)

// Whether the program may go on.
static UNUSED bool may_go(void) { return exists("go"); }

// The state is set up. By the root of the tree only.
static UNUSED void ready(void) {
    pid_at_ready_ = getpid();
    sid_at_ready_ = getsid(0);
    pgid_at_ready_ = getpgrp();
    create_("ready");
}

// Waits for `go`, in any process. In between everything may have happened to it. Nothing is open, and no system call other
// than nanosleep and stat is used.
static UNUSED void wait_go(void) {
    pid_t pid = getpid(), sid = getsid(0), pgid = getpgrp(), tid = syscall(SYS_gettid);
    for (long polls = 0; !may_go(); polls++) {
        if (polls > POLLS_FOR_GO) _exit(3);
        if (polls % 64 == 63 && exists("verdict")) _exit(1);
        struct timespec ms = {0, MS};
        nanosleep(&ms, NULL);
    }
    SAME("pid", syscall(SYS_getpid), pid);
    SAME("tid", syscall(SYS_gettid), tid);
    SAME("session", syscall(SYS_getsid, 0), sid);
    SAME("process group", syscall(SYS_getpgrp), pgid);
}

static UNUSED long long now_ns(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time) < 0) fail("clock_gettime(%d): %s", (int)clock, strerror(errno));
    return time.tv_sec * SEC + time.tv_nsec;
}

// A well-known pattern; different for each seed and each place.
static UNUSED uint64_t word_at(uint64_t seed, uint64_t index) {
    uint64_t z = seed * 0x9e3779b97f4a7c15u + index + 1;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static UNUSED void fill(void *at, size_t bytes, uint64_t seed) {
    for (size_t i = 0; i < bytes / 8; i++) ((uint64_t *)at)[i] = word_at(seed, i);
}

#define CHECK_FILL(what, at, bytes, seed)                                                                              \
    do {                                                                                                               \
        const uint64_t *at_ = (const void *)(at);                                                                      \
        for (size_t i_ = 0; i_ < (size_t)(bytes) / 8; i_++)                                                            \
            if (at_[i_] != word_at(seed, i_))                                                                          \
                fail("%s:%d: %s: expected %#llx at byte %zu, found %#llx", __FILE_NAME__, __LINE__, what,              \
                     (unsigned long long)word_at(seed, i_), i_ * 8, (unsigned long long)at_[i_]);                      \
    } while (0)

static UNUSED pthread_t thread(void *(*run)(void *), void *argument) {
    pthread_t made;
    int error = pthread_create(&made, NULL, run, argument);
    if (error) fail("pthread_create: %s", strerror(error));
    return made;
}

// Sends a signal to the calling thread alone: the C library's raise() and pthread_kill() send it to the whole process then.
static UNUSED void signal_self(int number) {
    if (syscall(SYS_tgkill, getpid(), gettid(), number) < 0) fail("tgkill: %s", strerror(errno));
}

// A child process; 0 in the child, which has to end with done() or fail().
static UNUSED pid_t child(void) {
    pid_t made = fork();
    if (made < 0) fail("fork: %s", strerror(errno));
    return made;
}

static UNUSED _Noreturn void done(void) { _exit(0); }

// A child ended as it should. Its own fail() has written the verdict already.
static UNUSED void ended_well(pid_t pid) {
    int status;
    pid_t found = waitpid(pid, &status, 0);
    if (found != pid) fail("waitpid(%d): expected that child, found %d (%s)", pid, found, strerror(errno));
    if (status) fail("child %d: expected an end with status 0, found %#x", pid, status);
}

// Waits, before ready(), until a thread (of any process) is blocked in a system call.
static UNUSED void until_in_call(pid_t tid, long number) {
    for (int polls = 0; polls < POLLS_SOON; polls++) {
        char path[64], text[64] = "";
        snprintf(path, sizeof path, "/proc/%d/syscall", tid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
            close(fd);
            char *end;
            long found = strtol(text, &end, 10);
            if (end != text && found == number) return;
        }
        nap_ms(1);
    }
    fail("thread %d: expected it in system call %ld", tid, number);
}

// Waits, before ready(), for a letter of /proc/PID/stat: S, T, Z …
static UNUSED void until_state(pid_t pid, char letter) {
    for (int polls = 0; polls < POLLS_SOON; polls++) {
        char path[64], text[512] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
            close(fd);
            char *end = strrchr(text, ')');
            if (end && end[1] == ' ' && end[2] == letter) return;
        }
        nap_ms(1);
    }
    fail("process %d: expected state %c", pid, letter);
}

// A thread that is blocked in a system call from before ready() until something happens after `go`.
struct blocked {
    pthread_t thread;
    atomic_int tid;
    atomic_bool returned;
    void (*body)(void);
};

static UNUSED void *blocked_thread_(void *argument) {
    struct blocked *self = argument;
    self->tid = syscall(SYS_gettid);
    self->body();
    self->returned = true;
    return NULL;
}

// Starts one, and waits until it is in the call.
static UNUSED struct blocked *block_in(long call, void (*body)(void)) {
    static struct blocked all[32];
    static int used;
    struct blocked *made = &all[used++];
    made->body = body;
    made->thread = thread(blocked_thread_, made);
    UNTIL(made->tid);
    until_in_call(made->tid, call);
    return made;
}

// After `go`: it has not returned, as nothing has happened that would make it.
static UNUSED void still_blocked(struct blocked *one) {
    nap_ms(5);
    if (one->returned) fail("expected the thread blocked still, found that the call has returned");
}

// What it waits for has happened: its body checks the rest.
static UNUSED void unblocked(struct blocked *one) {
    UNTIL(one->returned);
    MUST0(pthread_join(one->thread, NULL));
}

// The whole of a small file.
static UNUSED size_t read_file(const char *path, char *to, size_t size) {
    int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
    size_t length = 0;
    for (;;) {
        ssize_t part = MUST(read(fd, to + length, size - 1 - length));
        if (part == 0) break;
        length += part;
        if (length == size - 1) break;
    }
    to[length] = 0;
    close(fd);
    return length;
}

static UNUSED void write_file(const char *path, const void *from, size_t size) {
    int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    SAME("written", MUST(write(fd, from, size)), size);
    close(fd);
}

#endif
