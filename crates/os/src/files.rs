//! Files and descriptors: the few calls about them that no library wraps.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd};

/// The most that a file handle has (`MAX_HANDLE_SZ`).
const MAX_HANDLE: usize = 128;

/// Opens what a file handle of the file system of `within` names, for its path only.
///
/// # Errors
/// `EPERM`: it needs `CAP_DAC_READ_SEARCH`. `ESTALE`: it is gone.
pub fn open_by_handle(within: &File, kind: i32, handle: &[u8]) -> io::Result<File> {
    #[repr(C)]
    struct Handle {
        len: u32,
        kind: i32,
        bytes: [u8; MAX_HANDLE],
    }
    if handle.len() > MAX_HANDLE {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut raw = Handle {
        len: u32::try_from(handle.len()).expect("at most 128"),
        kind,
        bytes: [0; MAX_HANDLE],
    };
    raw.bytes[..handle.len()].copy_from_slice(handle);
    // SAFETY: the handle is valid for reading, with as many bytes as it says.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            within.as_raw_fd(),
            &raw mut raw,
            libc::O_PATH | libc::O_CLOEXEC,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, for us.
    Ok(unsafe { File::from_raw_fd(i32::try_from(answer).expect("descriptors are small")) })
}

/// Sets how often a timerfd has expired without being read.
///
/// # Errors
/// `ENOTTY`: the kernel is built without `CONFIG_CHECKPOINT_RESTORE`.
pub fn set_timer_ticks(timer: impl AsFd, ticks: u64) -> io::Result<()> {
    let request = libc::_IOW::<u64>(u32::from(b'T'), 0);
    // SAFETY: the number is valid for reading during the call.
    let answer = unsafe { libc::ioctl(timer.as_fd().as_raw_fd(), request, &raw const ticks) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn made(answer: libc::c_int) -> io::Result<std::os::fd::OwnedFd> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, for us.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(answer) })
}

/// An eventfd with any count.
///
/// # Errors
/// As the kernel says.
pub fn eventfd(count: u64, semaphore: bool) -> io::Result<std::os::fd::OwnedFd> {
    let flags = libc::EFD_CLOEXEC | if semaphore { libc::EFD_SEMAPHORE } else { 0 };
    // SAFETY: no pointers.
    let event = made(unsafe { libc::eventfd(0, flags) })?;
    if count > 0 {
        // SAFETY: eight bytes, as an eventfd takes.
        let n = unsafe { libc::write(event.as_raw_fd(), (&raw const count).cast(), 8) };
        if n < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(event)
}

/// A timerfd that fires after `left` nanoseconds (0: it is off); with `TFD_TIMER_ABSTIME` in `flags`, at that time of its clock; and then
/// at each `interval`.
///
/// # Errors
/// `EINVAL`: no such clock, or flags that it doesn't take.
pub fn timerfd(
    clock: i32,
    left: u64,
    interval: u64,
    flags: i32,
) -> io::Result<std::os::fd::OwnedFd> {
    // SAFETY: no pointers.
    let timer = made(unsafe { libc::timerfd_create(clock, libc::TFD_CLOEXEC) })?;
    let time = |nanos: u64| libc::timespec {
        tv_sec: (nanos / 1_000_000_000).cast_signed(),
        tv_nsec: (nanos % 1_000_000_000).cast_signed(),
    };
    let value = libc::itimerspec { it_interval: time(interval), it_value: time(left) };
    // SAFETY: the value is valid for reading; no old one is asked for.
    let answer = unsafe {
        libc::timerfd_settime(timer.as_raw_fd(), flags, &raw const value, std::ptr::null_mut())
    };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(timer) }
}

/// A signalfd of a set of signals.
///
/// # Errors
/// As the kernel says.
pub fn signalfd(mask: u64) -> io::Result<std::os::fd::OwnedFd> {
    // SAFETY: eight bytes are read, as they are said to be there.
    let answer =
        unsafe { libc::syscall(libc::SYS_signalfd4, -1, &raw const mask, 8, libc::SFD_CLOEXEC) };
    made(i32::try_from(answer).unwrap_or(-1))
}

/// An inotify instance, and watches with numbers of one's choice, which must be told in rising order.
#[derive(Debug)]
pub struct Inotify(std::os::fd::OwnedFd);

impl Inotify {
    /// A new instance.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        made(unsafe { libc::inotify_init1(libc::IN_CLOEXEC) }).map(Self)
    }

    /// Watches `path` under the number `wd`: numbers rise by one with each watch, also of those removed.
    ///
    /// # Errors
    /// The path is gone; or the number can't be reached.
    pub fn watch(&self, path: &std::ffi::CStr, mask: u32, wd: i32) -> io::Result<()> {
        loop {
            // SAFETY: a valid string.
            let got = unsafe { libc::inotify_add_watch(self.0.as_raw_fd(), path.as_ptr(), mask) };
            if got < 0 {
                return Err(io::Error::last_os_error());
            }
            if got == wd {
                return Ok(());
            }
            // SAFETY: no pointers.
            unsafe { libc::inotify_rm_watch(self.0.as_raw_fd(), got) };
            if got > wd {
                return Err(io::Error::other(format!(
                    "inotify gives {got}, after {wd} that is wanted"
                )));
            }
        }
    }

    /// The descriptor, once it reported no removals of ours.
    ///
    /// # Errors
    /// It can't be read.
    pub fn into_descriptor(self) -> io::Result<std::os::fd::OwnedFd> {
        let mut events = [0_u8; 4096];
        loop {
            let mut poll =
                libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid structure.
            if unsafe { libc::poll(&raw mut poll, 1, 0) } <= 0 {
                return Ok(self.0);
            }
            // SAFETY: a valid buffer of the length that is told.
            let n =
                unsafe { libc::read(self.0.as_raw_fd(), events.as_mut_ptr().cast(), events.len()) };
            if n < 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
}

/// A copy of a descriptor with a number of at least `least`.
///
/// # Errors
/// `EMFILE`: no number below the limit is free.
pub fn duplicate_above(
    descriptor: std::os::fd::BorrowedFd<'_>,
    least: i32,
) -> io::Result<std::os::fd::OwnedFd> {
    // SAFETY: no pointers.
    made(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least) })
}

/// A copy of a standard stream (0, 1, 2); `/dev/null` where it is closed.
///
/// # Errors
/// As the kernel says.
pub fn standard_stream(which: i32) -> io::Result<std::os::fd::OwnedFd> {
    // SAFETY: no pointers; whether the number is open is what is asked.
    match made(unsafe { libc::fcntl(which, libc::F_DUPFD_CLOEXEC, 3) }) {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
            let null = File::options().read(true).write(true).open("/dev/null")?;
            Ok(null.into())
        }
        other => other,
    }
}

/// Locks the open file description (`flock`), at once or not at all.
///
/// # Errors
/// `EWOULDBLOCK`: somebody else has locked it.
pub fn flock(descriptor: impl AsFd, exclusive: bool) -> io::Result<()> {
    let how = libc::LOCK_NB | if exclusive { libc::LOCK_EX } else { libc::LOCK_SH };
    // SAFETY: no pointers.
    let answer = unsafe { libc::flock(descriptor.as_fd().as_raw_fd(), how) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Asks a timerfd for the time that is left, in nanoseconds (0: it is off): it counts the expirations that it missed.
///
/// # Errors
/// As the kernel says.
pub fn timer_left(timer: impl AsFd) -> io::Result<u64> {
    // SAFETY: all zeros are valid for a structure of numbers.
    let mut value = unsafe { std::mem::zeroed::<libc::itimerspec>() };
    // SAFETY: a valid place for the answer.
    let answer = unsafe { libc::timerfd_gettime(timer.as_fd().as_raw_fd(), &raw mut value) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    let left = value.it_value;
    Ok(left.tv_sec.cast_unsigned() * 1_000_000_000 + left.tv_nsec.cast_unsigned())
}

#[repr(C)]
struct OwnerEx {
    kind: i32,
    id: i32,
}

const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
const F_SETSIG: i32 = 10;
const F_GETSIG: i32 = 11;

/// Who is told by a signal what happens to a description: kind (`F_OWNER_…`), id in our namespace, signal (0 for `SIGIO`).
///
/// # Errors
/// As the kernel says.
pub fn owner(descriptor: impl AsFd) -> io::Result<Option<(i32, i32, i32)>> {
    let fd = descriptor.as_fd().as_raw_fd();
    let mut owner = OwnerEx { kind: 0, id: 0 };
    // SAFETY: a valid place for the answer.
    if unsafe { libc::fcntl(fd, F_GETOWN_EX, &raw mut owner) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: no pointers.
    let signal = unsafe { libc::fcntl(fd, F_GETSIG) };
    Ok((owner.id != 0).then_some((owner.kind, owner.id, signal.max(0))))
}

/// Sets who is told.
///
/// # Errors
/// `ESRCH`: there is no such process.
pub fn set_owner(descriptor: impl AsFd, kind: i32, id: i32, signal: i32) -> io::Result<()> {
    let fd = descriptor.as_fd().as_raw_fd();
    let owner = OwnerEx { kind, id };
    // SAFETY: valid for reading; then no pointers.
    let answers = unsafe {
        (libc::fcntl(fd, F_SETOWN_EX, &raw const owner), libc::fcntl(fd, F_SETSIG, signal))
    };
    if answers.0 < 0 || answers.1 < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives a part of a file room on its file system.
///
/// # Errors
/// `ENOSPC`: there isn't so much. `EOPNOTSUPP`: the file system can't.
pub fn reserve(file: &File, start: u64, len: u64) -> io::Result<()> {
    // SAFETY: no pointers.
    let answer =
        unsafe { libc::fallocate(file.as_raw_fd(), 0, start.cast_signed(), len.cast_signed()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
