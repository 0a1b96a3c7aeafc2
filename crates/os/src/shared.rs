//! Memory that survives its writer: words shared with a child process, and the child that watches.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// Zeroed words, seen alike by this process and by children that it makes afterwards. Untouched pages cost nothing.
#[derive(Debug)]
pub struct SharedWords {
    at: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the memory is only reached as atomics, and lives as long as the value.
unsafe impl Send for SharedWords {}
// SAFETY: as above.
unsafe impl Sync for SharedWords {}

impl SharedWords {
    /// `count` words.
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn new(count: usize) -> io::Result<Self> {
        // SAFETY: a new anonymous mapping, at an address of the kernel's choice.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                count * 8,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = NonNull::new(at.cast()).expect("a mapping isn't at zero");
        Ok(Self { at, count })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping has so many words, aligned, for as long as `self` lives.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.count) }
    }

    /// Reads from a descriptor right into the words from `word` on, at most `count` bytes behind the first `offset`: whoever
    /// survives this process has what was read. Answers how many bytes came.
    ///
    /// # Errors
    /// There is no such place, or what the kernel says.
    pub fn read_from(
        &self,
        descriptor: impl std::os::fd::AsFd,
        word: usize,
        offset: usize,
        count: usize,
    ) -> io::Result<usize> {
        use std::os::fd::AsRawFd;
        let end = word.checked_mul(8).and_then(|at| at.checked_add(offset)?.checked_add(count));
        if end.is_none_or(|end| end > self.count * 8) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: inside the mapping, which lives as long as `self`; others reach it as atomics only.
        let answer = unsafe {
            let at = self.at.as_ptr().cast::<u8>().add(word * 8 + offset);
            libc::read(descriptor.as_fd().as_raw_fd(), at.cast(), count)
        };
        usize::try_from(answer).map_err(|_| io::Error::last_os_error())
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference into it any more.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.count * 8) };
    }
}

/// A child process that acts if this one dies.
#[derive(Debug)]
pub struct Watchdog {
    leash: Option<std::fs::File>,
    pid: libc::pid_t,
}

/// Makes a child that waits until this process ends, in whatever way, and then runs `act`, with the signals
/// that a terminal sends ignored. [`Watchdog::release`], or dropping it, ends it without acting.
///
/// `act` runs in a copy of this process that has one thread: it must not need a lock that another
/// thread of this one may hold.
///
/// # Errors
/// The process can't be made.
pub fn watchdog(act: impl FnOnce()) -> io::Result<Watchdog> {
    let mut ends = [0; 2];
    // SAFETY: a valid place for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    use std::os::fd::FromRawFd;
    // SAFETY: both were just made, for us.
    let (read, leash) = unsafe {
        (
            std::fs::File::from(OwnedFd::from_raw_fd(ends[0])),
            std::fs::File::from(OwnedFd::from_raw_fd(ends[1])),
        )
    };
    // SAFETY: the child only reads a pipe, runs `act`, whose caller was warned, and ends without
    // unwinding or running anybody's destructors.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(leash);
            // Nobody else's pipe or lock is held open by it: least of all another watchdog's leash.
            // SAFETY: `read` is the one descriptor that is used from here on, and becomes number 0.
            let read_end = unsafe {
                use std::os::fd::IntoRawFd;
                libc::dup2(read.into_raw_fd(), 0);
                libc::syscall(libc::SYS_close_range, 1, u32::MAX, 0);
                OwnedFd::from_raw_fd(0)
            };
            let mut read = std::fs::File::from(read_end);
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE]
            {
                // SAFETY: ignoring a signal.
                unsafe { libc::signal(signal, libc::SIG_IGN) };
            }
            let mut byte = [0];
            loop {
                match read.read(&mut byte) {
                    Ok(0) => {
                        act();
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    _ => break,
                }
            }
            // SAFETY: ends this process.
            unsafe { libc::_exit(0) }
        }
        pid => Ok(Watchdog { leash: Some(leash), pid }),
    }
}

impl Watchdog {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Ends it without acting.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            // If it is gone, it needs no word.
            let _ = leash.write_all(b"!");
        }
        let mut status = 0;
        // SAFETY: our child, and a valid place for its status.
        while unsafe { libc::waitpid(self.pid, &raw mut status, 0) } < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
}
