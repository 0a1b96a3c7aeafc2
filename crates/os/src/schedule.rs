//! How threads are scheduled: processors, policies, priorities, of any thread by its id.

use std::io;

/// Processors that a mask can name.
const MAX_WORDS: usize = 128;

/// What `sched_getattr` knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `SCHED_OTHER`, …
    pub policy: u32,
    /// `SCHED_FLAG_…`.
    pub flags: u64,
    /// -20 to 19.
    pub nice: i32,
    /// Of the real-time policies.
    pub priority: u32,
    /// Of `SCHED_DEADLINE`: runtime, deadline, period in nanoseconds.
    pub deadline: (u64, u64, u64),
}

#[repr(C)]
struct Raw {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

fn check(answer: libc::c_long) -> io::Result<libc::c_long> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// The processors that a thread may use (0: the caller), as a bit set without trailing zeros.
///
/// # Errors
/// `ESRCH`: there is no such thread.
pub fn affinity(tid: i32) -> io::Result<Vec<u64>> {
    let mut words = vec![0_u64; MAX_WORDS];
    // SAFETY: the kernel writes at most as many bytes as it is told.
    let bytes = check(unsafe {
        libc::syscall(libc::SYS_sched_getaffinity, tid, MAX_WORDS * 8, words.as_mut_ptr())
    })?;
    words.truncate(usize::try_from(bytes).expect("not negative") / 8);
    while words.len() > 1 && words.last() == Some(&0) {
        words.pop();
    }
    Ok(words)
}

/// Sets the processors that a thread may use.
///
/// # Errors
/// `EINVAL`: none of them exists. `EPERM`: it is somebody else's.
pub fn set_affinity(tid: i32, words: &[u64]) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as it is told.
    check(unsafe {
        libc::syscall(libc::SYS_sched_setaffinity, tid, words.len() * 8, words.as_ptr())
    })
    .map(drop)
}

/// The set of one processor.
pub fn only(processor: usize) -> Vec<u64> {
    let mut words = vec![0; processor / 64 + 1];
    words[processor / 64] = 1 << (processor % 64);
    words
}

/// The processor that the caller is on.
pub fn current_processor() -> usize {
    // SAFETY: no arguments.
    usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

/// How a thread is scheduled.
///
/// # Errors
/// `ESRCH`: there is no such thread.
pub fn attributes(tid: i32) -> io::Result<Attributes> {
    let mut raw = Raw {
        size: 0,
        policy: 0,
        flags: 0,
        nice: 0,
        priority: 0,
        runtime: 0,
        deadline: 0,
        period: 0,
    };
    // SAFETY: the kernel writes at most as many bytes as it is told.
    check(unsafe {
        libc::syscall(libc::SYS_sched_getattr, tid, &raw mut raw, size_of::<Raw>(), 0)
    })?;
    Ok(Attributes {
        policy: raw.policy,
        flags: raw.flags,
        nice: raw.nice,
        priority: raw.priority,
        deadline: (raw.runtime, raw.deadline, raw.period),
    })
}

/// Sets how a thread is scheduled.
///
/// # Errors
/// `EPERM`: it needs `CAP_SYS_NICE`.
pub fn set_attributes(tid: i32, wanted: &Attributes) -> io::Result<()> {
    let raw = Raw {
        size: u32::try_from(size_of::<Raw>()).expect("small"),
        policy: wanted.policy,
        flags: wanted.flags,
        nice: wanted.nice,
        priority: wanted.priority,
        runtime: wanted.deadline.0,
        deadline: wanted.deadline.1,
        period: wanted.deadline.2,
    };
    // SAFETY: the kernel reads as many bytes as `size` says.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, tid, &raw const raw, 0) }).map(drop)
}

/// The I/O priority of a thread.
///
/// # Errors
/// `ESRCH`: there is no such thread.
pub fn io_priority(tid: i32) -> io::Result<u32> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    // SAFETY: no pointers.
    let answer = check(unsafe { libc::syscall(libc::SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid) })?;
    Ok(u32::try_from(answer).unwrap_or(0))
}

/// Sets the I/O priority of a thread.
///
/// # Errors
/// `EPERM`: it needs `CAP_SYS_ADMIN` or `CAP_SYS_NICE`.
pub fn set_io_priority(tid: i32, priority: u32) -> io::Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    // SAFETY: no pointers.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, tid, priority) })
        .map(drop)
}
