//! Namespaces of the calling thread and of the children that it makes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Namespaces.
pub const PIDS: i32 = libc::CLONE_NEWPID;
/// Clocks.
pub const TIME: i32 = 0x80;
/// The calling thread's own descriptors, no longer its process's.
pub const DESCRIPTORS: i32 = libc::CLONE_FILES;
/// The calling thread's own working directory, root and umask, no longer its process's.
pub const DIRECTORIES: i32 = libc::CLONE_FS;

/// New namespaces: of pids and time for the children made from now on, of directories for the thread.
///
/// # Errors
/// `EPERM`: it needs `CAP_SYS_ADMIN`.
pub fn unshare(what: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    if unsafe { libc::unshare(what) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Enters the mounts of another process, by its `ns/mnt`. The thread has to have directories of its own.
///
/// # Errors
/// As the kernel says.
pub fn enter_mounts(of: &File) -> io::Result<()> {
    // SAFETY: no pointers.
    let answer = unsafe { libc::setns(of.as_raw_fd(), libc::CLONE_NEWNS) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes all descriptors from `first` on, of a thread that has its own and none of which it uses.
///
/// # Errors
/// As the kernel says.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: the descriptors are this thread's copies; their owners are of other threads, with other tables.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The calling thread's id.
pub fn thread_id() -> i32 {
    // SAFETY: no arguments.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) };
    i32::try_from(tid).expect("thread ids are small")
}
