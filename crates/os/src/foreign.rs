//! Another process's memory and objects: copies between address spaces, which pages it has,
//! descriptors taken from it, what two processes share.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// Pieces of foreign memory that one call takes (`IOV_MAX`).
pub const MAX_PIECES: usize = 1024;

/// A part of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First address.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
}

impl Span {
    /// Bytes.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether there is nothing.
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

fn pieces(spans: &[Span]) -> Vec<libc::iovec> {
    spans
        .iter()
        .map(|span| libc::iovec {
            iov_base: std::ptr::without_provenance_mut(
                usize::try_from(span.start).expect("64 bits"),
            ),
            iov_len: usize::try_from(span.len()).expect("64 bits"),
        })
        .collect()
}

/// Reads spans of a process's memory, one after the other, into `into`, which is as long as all of
/// them. At most [`MAX_PIECES`] spans.
///
/// # Errors
/// `EFAULT`: a part can't be read; then nothing is said about the content of `into`.
pub fn read(pid: i32, spans: &[Span], into: &mut [u8]) -> io::Result<()> {
    transfer(spans, into.len(), |done, there| {
        let rest = &mut into[done..];
        let here = libc::iovec { iov_base: rest.as_mut_ptr().cast(), iov_len: rest.len() };
        // SAFETY: `here` is the unread rest of `into`; the other side's addresses are checked by the kernel.
        unsafe {
            libc::process_vm_readv(pid, &raw const here, 1, there.as_ptr(), there.len() as u64, 0)
        }
    })
}

/// Writes `from` into spans of a process's memory, one after the other.
///
/// # Errors
/// `EFAULT`: a part can't be written.
pub fn write(pid: i32, spans: &[Span], from: &[u8]) -> io::Result<()> {
    transfer(spans, from.len(), |done, there| {
        let rest = &from[done..];
        let base = rest.as_ptr().cast_mut().cast();
        let here = libc::iovec { iov_base: base, iov_len: rest.len() };
        // SAFETY: `here` is the unwritten rest of `from`, which the call only reads.
        unsafe {
            libc::process_vm_writev(pid, &raw const here, 1, there.as_ptr(), there.len() as u64, 0)
        }
    })
}

/// Calls `once` until all is moved, as a call may come back short at 2 GiB: with how many bytes are done, and where
/// the others are.
fn transfer(
    spans: &[Span],
    len: usize,
    mut once: impl FnMut(usize, &[libc::iovec]) -> libc::ssize_t,
) -> io::Result<()> {
    let mut there = pieces(spans);
    let total: usize = there.iter().map(|piece| piece.iov_len).sum();
    if total != len || spans.len() > MAX_PIECES {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut done = 0;
    while done < total {
        let n = once(done, &there);
        if n < 0 {
            return Err(io::Error::last_os_error());
        }
        let n = usize::try_from(n).expect("not negative");
        if n == 0 {
            return Err(io::Error::from_raw_os_error(libc::EFAULT));
        }
        done += n;
        if done < total {
            there = skip(&there, n);
        }
    }
    Ok(())
}

fn skip(pieces: &[libc::iovec], mut bytes: usize) -> Vec<libc::iovec> {
    let mut rest = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let gone = bytes.min(piece.iov_len);
        bytes -= gone;
        if gone < piece.iov_len {
            rest.push(libc::iovec {
                iov_base: piece.iov_base.wrapping_byte_add(gone),
                iov_len: piece.iov_len - gone,
            });
        }
    }
    rest
}

/// Pages that [`scan_pages`] found, adjacent ones joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What was looked for.
    pub pages: Vec<Span>,
    /// Guards (`MADV_GUARD_INSTALL`): they look like pages, and can't be read.
    pub guards: Vec<Span>,
}

/// Lists the pages of a process's own (an open `/proc/PID/pagemap`) between two addresses: anonymous ones and copies of
/// a file's, in memory or swapped; in order, adjacent ones joined (`PAGEMAP_SCAN`, Linux 6.7).
///
/// # Errors
/// `ENOTTY`: the kernel doesn't know the request.
pub fn scan_pages(pagemap: &File, within: Span) -> io::Result<Found> {
    #[repr(C)]
    struct Scan {
        size: u64,
        flags: u64,
        start: u64,
        end: u64,
        walk_end: u64,
        vec: u64,
        vec_len: u64,
        max_pages: u64,
        category_inverted: u64,
        category_mask: u64,
        category_anyof_mask: u64,
        return_mask: u64,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Region {
        start: u64,
        end: u64,
        categories: u64,
    }
    const FILE: u64 = 1 << 2;
    const PRESENT: u64 = 1 << 3;
    const SWAPPED: u64 = 1 << 4;
    const PFN_ZERO: u64 = 1 << 5;
    const GUARD: u64 = 1 << 8;
    const AT_ONCE: usize = 2048;
    let request = libc::_IOWR::<Scan>(u32::from(b'f'), 16);
    let mask = FILE | PFN_ZERO;
    let mut found = Found::default();
    // Linux 6.18 tells guards apart.
    let mut told = PRESENT | GUARD;
    let mut regions = vec![Region { start: 0, end: 0, categories: 0 }; AT_ONCE];
    let mut at = within.start;
    while at < within.end {
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            flags: 0,
            start: at,
            end: within.end,
            walk_end: 0,
            vec: regions.as_mut_ptr().expose_provenance() as u64,
            vec_len: AT_ONCE as u64,
            max_pages: 0,
            category_inverted: mask,
            category_mask: mask,
            category_anyof_mask: PRESENT | SWAPPED,
            return_mask: told,
        };
        // SAFETY: `scan` and the regions it points to are valid for writing, with the sizes they say.
        let n = unsafe { libc::ioctl(pagemap.as_raw_fd(), request, &raw mut scan) };
        if n < 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::EINVAL) && told & GUARD != 0 {
                told = PRESENT;
                continue;
            }
            return Err(error);
        }
        let n = usize::try_from(n).expect("not negative").min(AT_ONCE);
        for region in &regions[..n] {
            let to =
                if region.categories & GUARD != 0 { &mut found.guards } else { &mut found.pages };
            match to.last_mut() {
                // Without re-arming the kernel may tell a page twice.
                Some(last) if region.start <= last.end => last.end = last.end.max(region.end),
                _ => to.push(Span { start: region.start, end: region.end }),
            }
        }
        if scan.walk_end <= at {
            break;
        }
        at = scan.walk_end;
    }
    Ok(found)
}

/// A descriptor for a process, which can't come to mean another.
///
/// # Errors
/// `ESRCH`: there is none.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// A copy of a process's descriptor: the same open file description.
///
/// # Errors
/// `EPERM`: tracing it isn't allowed. `EBADF`: it has no such descriptor.
pub fn pidfd_getfd(process: BorrowedFd<'_>, descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), descriptor, 0) })
}

fn owned(answer: libc::c_long) -> io::Result<OwnedFd> {
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    let raw = RawFd::try_from(answer).expect("descriptors are small");
    // SAFETY: the kernel has just made it for us; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// What [`compare`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Open file descriptions, by descriptor number.
    File(RawFd, RawFd),
    /// Address spaces.
    Memory,
    /// Descriptor tables.
    Files,
    /// Root, working directory and umask.
    Fs,
}

/// The order that the kernel gives to two processes' objects: equal if they are one (`kcmp`).
///
/// # Errors
/// `EPERM`: tracing is not allowed. `ENOSYS`: the kernel is built without.
pub fn compare(first: i32, second: i32, what: Kind) -> io::Result<std::cmp::Ordering> {
    let (kind, a, b) = match what {
        Kind::File(a, b) => (0, a, b),
        Kind::Memory => (1, 0, 0),
        Kind::Files => (2, 0, 0),
        Kind::Fs => (3, 0, 0),
    };
    // SAFETY: no pointers for these kinds.
    let answer = unsafe { libc::syscall(libc::SYS_kcmp, first, second, kind, a, b) };
    match answer {
        0 => Ok(std::cmp::Ordering::Equal),
        1 => Ok(std::cmp::Ordering::Less),
        2 => Ok(std::cmp::Ordering::Greater),
        3 => Err(io::Error::other("the kernel can't order these objects")),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether descriptor `number` as an epoll instance knows it (descriptor `epoll` of `owner`, the
/// `nth` entry with that number) is descriptor `mine` of process `holder`.
///
/// # Errors
/// `ENOENT`: the epoll instance has no such entry.
pub fn epoll_watches(
    holder: i32,
    mine: RawFd,
    owner: i32,
    epoll: RawFd,
    number: RawFd,
    nth: u32,
) -> io::Result<bool> {
    #[repr(C)]
    struct Slot {
        epoll: u32,
        number: u32,
        nth: u32,
    }
    let slot = Slot { epoll: epoll.cast_unsigned(), number: number.cast_unsigned(), nth };
    const EPOLL_TFD: i32 = 7;
    // SAFETY: `slot` is valid for reading during the call.
    let answer =
        unsafe { libc::syscall(libc::SYS_kcmp, holder, owner, EPOLL_TFD, mine, &raw const slot) };
    match answer {
        0 => Ok(true),
        1..=3 => Ok(false),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Address and size of a thread's list of robust futexes.
///
/// # Errors
/// `EPERM`: tracing is not allowed.
pub fn robust_list(tid: i32) -> io::Result<(u64, u64)> {
    let mut head = 0_u64;
    let mut size = 0_u64;
    // SAFETY: both places are valid for writing a word.
    let answer =
        unsafe { libc::syscall(libc::SYS_get_robust_list, tid, &raw mut head, &raw mut size) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok((head, size)) }
}

/// Ends a process at once.
///
/// # Errors
/// As the kernel says.
pub fn kill(process: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let null: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: a null siginfo is allowed.
    let answer =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, null, 0) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
