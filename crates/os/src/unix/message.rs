//! Messages with what comes with them: descriptors, senders.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{MAX_PASSED, address, length, name_in, no_address, owned};

/// What waits in a queue.
#[derive(Debug, Default)]
pub struct Message {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// It has more bytes than there was room for.
    pub cut: bool,
    /// It has more descriptors than this process may have.
    pub lost: bool,
    /// The sender's name.
    pub from: Vec<u8>,
    /// Descriptors that come with it: copies.
    pub passed: Vec<OwnedFd>,
    /// Process, user and group of the sender, if the socket wants to know.
    pub sender: Option<(i32, u32, u32)>,
}

/// Room for descriptors, credentials, a pidfd and a security label.
const CONTROL: usize = 4096;

/// Looks at what waits, at most `room` bytes of it, and leaves it there. `None`: there is nothing.
///
/// # Errors
/// As the kernel says.
pub fn peek(socket: impl AsFd, room: usize) -> io::Result<Option<Message>> {
    let mut bytes = vec![0_u8; room.max(1)];
    let mut control = [0_u64; CONTROL / 8];
    let mut from = no_address();
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all zeros are valid for a structure of numbers and pointers.
    let mut head = unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() };
    head.msg_name = (&raw mut from).cast();
    head.msg_namelen = length::<libc::sockaddr_un>();
    head.msg_iov = &raw mut part;
    head.msg_iovlen = 1;
    head.msg_control = control.as_mut_ptr().cast();
    head.msg_controllen = CONTROL;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: everything that `head` points to is valid for writing, with the sizes that it says.
    let n = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut head, flags) };
    if n < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    }
    let mut message = Message {
        cut: head.msg_flags & libc::MSG_TRUNC != 0,
        lost: head.msg_flags & libc::MSG_CTRUNC != 0,
        from: name_in(&from, head.msg_namelen),
        ..Message::default()
    };
    // SAFETY: the kernel has filled the control buffer, and the macros stay inside of what `head` says.
    let mut at = unsafe { libc::CMSG_FIRSTHDR(&raw const head) };
    while !at.is_null() {
        // SAFETY: `at` points into the control buffer, which is aligned for it.
        let (one, data) = unsafe { (&*at, libc::CMSG_DATA(at)) };
        let offset = data.addr() - at.addr();
        let len = one.cmsg_len.saturating_sub(offset);
        const SCM_PIDFD: i32 = 4;
        match (one.cmsg_level, one.cmsg_type) {
            (libc::SOL_SOCKET, kind @ (libc::SCM_RIGHTS | SCM_PIDFD)) => {
                for nth in 0..len / 4 {
                    // SAFETY: one of the descriptors that the kernel has made for us.
                    let fd = owned(unsafe { data.cast::<i32>().add(nth).read_unaligned() });
                    message.passed.extend(fd.ok().filter(|_| kind == libc::SCM_RIGHTS));
                }
            }
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if len >= size_of::<libc::ucred>() => {
                // SAFETY: as many bytes are there.
                let who = unsafe { data.cast::<libc::ucred>().read_unaligned() };
                message.sender = Some((who.pid, who.uid, who.gid));
            }
            _ => {}
        }
        // SAFETY: as above.
        at = unsafe { libc::CMSG_NXTHDR(&raw const head, at) };
    }
    bytes.truncate(usize::try_from(n).expect("not negative"));
    message.bytes = bytes;
    Ok(Some(message))
}

/// How many of the next `bytes` bytes of a stream were sent before what the last of them was sent with. Nothing is taken.
///
/// A peek goes through to the next descriptors however few bytes are asked for. What was sent by one call is copied as a
/// whole or not at all, so the place for the last byte is one that can't be written to.
///
/// # Errors
/// As the kernel says.
pub fn before_last(socket: impl AsFd, bytes: usize) -> io::Result<usize> {
    // No program has anything in its first page.
    const NOWHERE: usize = 8;
    let mut some = vec![0_u8; bytes.saturating_sub(1)];
    let nowhere = std::ptr::without_provenance_mut(NOWHERE);
    let mut parts = [
        libc::iovec { iov_base: some.as_mut_ptr().cast(), iov_len: some.len() },
        libc::iovec { iov_base: nowhere, iov_len: 1 },
    ];
    // SAFETY: all zeros are valid for a structure of numbers and pointers.
    let mut head = unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() };
    head.msg_iov = parts.as_mut_ptr();
    head.msg_iovlen = parts.len();
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the first part is valid for writing; the kernel refuses to write to the other.
    let n = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut head, flags) };
    match usize::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EFAULT) => Ok(0),
            error => Err(error),
        },
    }
}

/// Sends bytes, with descriptors and as somebody; to a name, or to where the socket is connected. Never waits, and signals
/// nobody: how many bytes went.
///
/// # Errors
/// `EAGAIN`: there is no room. `EPERM`: one can't be somebody else. `ESRCH`: there is no such process.
pub fn send(
    socket: impl AsFd,
    bytes: &[u8],
    to: Option<&[u8]>,
    passed: &[BorrowedFd<'_>],
    sender: Option<(i32, u32, u32)>,
) -> io::Result<usize> {
    let mut control = [0_u64; CONTROL / 8];
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zeros are valid for a structure of numbers and pointers.
    let mut head = unsafe { MaybeUninit::<libc::msghdr>::zeroed().assume_init() };
    head.msg_iov = &raw mut part;
    head.msg_iovlen = 1;
    let mut address = to.map(address).transpose()?;
    if let Some((address, len)) = &mut address {
        head.msg_name = std::ptr::from_mut(address).cast();
        head.msg_namelen = *len;
    }
    let mut parts: Vec<(i32, Vec<u8>)> = Vec::new();
    if !passed.is_empty() {
        let raw = passed.iter().flat_map(|fd| fd.as_raw_fd().to_ne_bytes());
        parts.push((libc::SCM_RIGHTS, raw.collect()));
    }
    if let Some((pid, uid, gid)) = sender {
        let words = [pid.cast_unsigned(), uid, gid];
        parts.push((
            libc::SCM_CREDENTIALS,
            words.iter().flat_map(|word| word.to_ne_bytes()).collect(),
        ));
    }
    if passed.len() > MAX_PASSED {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if !parts.is_empty() {
        head.msg_control = control.as_mut_ptr().cast();
        let space = |data: &Vec<u8>| {
            let len = u32::try_from(data.len()).expect("at most 253 descriptors");
            // SAFETY: reckons with numbers only.
            unsafe { (libc::CMSG_SPACE(len) as usize, libc::CMSG_LEN(len) as usize) }
        };
        head.msg_controllen = parts.iter().map(|(_, data)| space(data).0).sum();
        // SAFETY: the control buffer is larger than all parts together, and aligned.
        let mut at = unsafe { libc::CMSG_FIRSTHDR(&raw const head) };
        for (kind, data) in &parts {
            // SAFETY: `at` has room for the head and the data, as `msg_controllen` says.
            unsafe {
                (*at).cmsg_level = libc::SOL_SOCKET;
                (*at).cmsg_type = *kind;
                (*at).cmsg_len = space(data).1;
                std::ptr::copy_nonoverlapping(data.as_ptr(), libc::CMSG_DATA(at), data.len());
                at = libc::CMSG_NXTHDR(&raw const head, at);
            }
        }
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: everything that `head` points to is valid for reading, with the sizes that it says.
    let n = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const head, flags) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}
