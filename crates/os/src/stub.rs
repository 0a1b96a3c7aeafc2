//! Processes that a restore begins with: one that only waits to be changed, and one that reaps.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Bytes of `struct clone_args`, and where a remote `clone3` finds its fields.
pub const CLONE_ARGS: usize = size_of::<CloneArgs>();

/// The words of a `struct clone_args`, for a `clone3` that another process makes.
pub fn clone_args(flags: u64, exit_signal: u64, child_tid: u64, set_tid: (u64, u64)) -> [u64; 11] {
    [flags, 0, child_tid, 0, exit_signal, 0, 0, 0, set_tid.0, set_tid.1, 0]
}

/// Makes a child that does nothing but wait, with default signal handlers and a copy of this
/// process's memory and descriptors; with the id `tid` in the namespace that children are made in.
/// Its id in the caller's namespace is answered, and its leash: it ends when that is dropped, as it is when this program
/// ends, unless somebody has seized it before and makes it do something else.
///
/// # Errors
/// `EEXIST`: the id is taken. `EPERM`: choosing it needs `CAP_CHECKPOINT_RESTORE`.
pub fn spawn_stub(tid: i32) -> io::Result<(i32, OwnedFd)> {
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    let wanted = [tid];
    let (leash, hold) = io::pipe()?;
    let args = CloneArgs {
        flags: CLONE_CLEAR_SIGHAND,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        set_tid: wanted.as_ptr().expose_provenance() as u64,
        set_tid_size: 1,
        ..CloneArgs::default()
    };
    // SAFETY: no shared memory, no new stack: a fork. The child makes raw system calls only, and so needs nothing that
    // another thread may have held.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match pid {
        ..0 => Err(io::Error::last_os_error()),
        // SAFETY: this is the child; the byte is its own.
        0 => unsafe {
            libc::close(hold.as_raw_fd());
            let mut byte = 0_u8;
            while libc::read(leash.as_raw_fd(), (&raw mut byte).cast(), 1) < 0 {}
            libc::_exit(1)
        },
        pid => Ok((i32::try_from(pid).expect("process ids are small"), hold.into())),
    }
}

/// What [`spawn_init`] is given.
#[derive(Debug)]
pub struct Init<'a> {
    /// It ends, and with it its namespace, if this closes without a byte. The byte is followed by the id of the process that it
    /// waits for, four bytes.
    pub leash: BorrowedFd<'a>,
    /// Where it says how far it got: one byte, 0 for ready, else the number of the error.
    pub ready: BorrowedFd<'a>,
    /// It makes mounts of its own, with a `/proc` that shows its own processes.
    pub mounts: bool,
}

/// Makes the first process of the pid namespace that children are made in: it reaps, and ends when
/// nothing is left to reap. Its id in the caller's namespace is answered.
///
/// # Errors
/// As the kernel says.
pub fn spawn_init(init: &Init<'_>) -> io::Result<i32> {
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    let (leash, ready, mounts) = (init.leash.as_raw_fd(), init.ready.as_raw_fd(), init.mounts);
    let args = CloneArgs {
        flags: CLONE_CLEAR_SIGHAND,
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        ..CloneArgs::default()
    };
    // SAFETY: a fork; the child makes raw system calls only, allocates nothing and takes no lock.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match pid {
        ..0 => Err(io::Error::last_os_error()),
        // SAFETY: this is the child.
        0 => unsafe { run_init(leash, ready, mounts) },
        pid => Ok(i32::try_from(pid).expect("process ids are small")),
    }
}

/// # Safety
/// Only in a child that was just made.
unsafe fn run_init(leash: RawFd, ready: RawFd, mounts: bool) -> ! {
    // SAFETY: all pointers are to constants or to locals that outlive their calls.
    unsafe {
        // Nothing of the restorer's stays open, the other end of the leash least of all.
        libc::dup2(leash, 0);
        libc::dup2(ready, 1);
        libc::syscall(libc::SYS_close_range, 2, u32::MAX, 0);
        let (leash, ready) = (0, 1);
        let mut word = 0_u8;
        if mounts {
            let none = std::ptr::null();
            let slash = c"/".as_ptr();
            let own = libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(none, slash, none, libc::MS_REC | libc::MS_PRIVATE, none.cast())
                    == 0
                && libc::mount(
                    c"proc".as_ptr(),
                    c"/proc".as_ptr(),
                    c"proc".as_ptr(),
                    libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
                    none.cast(),
                ) == 0;
            if !own {
                word = u8::try_from(*libc::__errno_location()).unwrap_or(u8::MAX);
            }
        }
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"outlast-init".as_ptr());
        libc::write(ready, (&raw const word).cast(), 1);
        let mut order = [0_u8; 5];
        loop {
            let n = libc::read(leash, order.as_mut_ptr().cast(), order.len());
            if n == 5 {
                break;
            }
            if n == 0 || *libc::__errno_location() != libc::EINTR {
                libc::_exit(1);
            }
        }
        let root = i32::from_le_bytes([order[1], order[2], order[3], order[4]]);
        let root = libc::syscall(libc::SYS_pidfd_open, root, 0);
        let mut poll = libc::pollfd {
            fd: i32::try_from(root).unwrap_or(-1),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut own = 0_i32;
        if poll.fd >= 0 && libc::dup2(poll.fd, 0) == 0 {
            own = 1;
            poll.fd = 0;
        }
        libc::syscall(libc::SYS_close_range, own, u32::MAX, 0);
        // Orphans are reaped while the root lives: each end of a child interrupts the poll.
        let mut child = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut child);
        libc::sigaddset(&raw mut child, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const child, std::ptr::null_mut());
        extern "C" fn nothing(_: i32) {}
        libc::signal(libc::SIGCHLD, nothing as extern "C" fn(i32) as libc::sighandler_t);
        let mut none = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut none);
        while own == 1 && poll.revents & libc::POLLIN == 0 {
            while libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) > 0 {}
            libc::ppoll(&raw mut poll, 1, std::ptr::null(), &raw const none);
        }
        // The rest of the tree are its children by now, or become so.
        while libc::waitpid(-1, std::ptr::null_mut(), libc::__WALL) > 0
            || *libc::__errno_location() == libc::EINTR
        {}
        libc::_exit(0)
    }
}
