//! Unix sockets: what the kernel tells of them, what waits in one without taking it, and making others like them.
//!
//! A name is what `sun_path` holds: a path without its zero at the end, or a zero and the abstract name's bytes, or
//! nothing.
//!
//! `sock_diag` is asked by hand: it is one request and one structure, and the crates for it bring a stack of their own.

use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Bytes of the longest name.
pub const MAX_NAME: usize = 108;

/// Descriptors that one message carries at most (`SCM_MAX_FD`).
pub const MAX_PASSED: usize = 253;

/// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_SEQPACKET`.
pub type Type = i32;

fn check(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn length<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("structures are small")
}

fn owned(answer: libc::c_int) -> io::Result<OwnedFd> {
    let raw = check(answer)?;
    // SAFETY: just made, for us.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn get<T>(socket: impl AsFd, name: i32, mut value: T) -> io::Result<T> {
    let mut len = length::<T>();
    // SAFETY: `value` is valid for writing as many bytes as `len` says; it is a structure of numbers.
    check(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    })?;
    Ok(value)
}

fn set<T>(socket: impl AsFd, name: i32, value: &T) -> io::Result<()> {
    // SAFETY: `value` is valid for reading as many bytes as is said.
    check(unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            std::ptr::from_ref(value).cast(),
            length::<T>(),
        )
    })
    .map(drop)
}

/// An option of `SOL_SOCKET` that is a number.
///
/// # Errors
/// `ENOPROTOOPT`: there is none of that number.
pub fn option(socket: impl AsFd, name: i32) -> io::Result<i32> {
    get(socket, name, 0_i32)
}

/// Sets an option that is a number.
///
/// # Errors
/// As the kernel says.
pub fn set_option(socket: impl AsFd, name: i32, value: i32) -> io::Result<()> {
    set(socket, name, &value)
}

/// A timeout (`SO_RCVTIMEO`, `SO_SNDTIMEO`) in microseconds; 0: none.
///
/// # Errors
/// As the kernel says.
pub fn timeout(socket: impl AsFd, name: i32) -> io::Result<u64> {
    let time = get(socket, name, libc::timeval { tv_sec: 0, tv_usec: 0 })?;
    Ok(time.tv_sec.cast_unsigned() * 1_000_000 + time.tv_usec.cast_unsigned())
}

/// Sets a timeout.
///
/// # Errors
/// As the kernel says.
pub fn set_timeout(socket: impl AsFd, name: i32, micros: u64) -> io::Result<()> {
    let time = libc::timeval {
        tv_sec: (micros / 1_000_000).cast_signed(),
        tv_usec: (micros % 1_000_000).cast_signed(),
    };
    set(socket, name, &time)
}

/// Process, user and group of the other end, as they were when both were connected (`SO_PEERCRED`).
///
/// # Errors
/// As the kernel says.
pub fn peer_credentials(socket: impl AsFd) -> io::Result<(i32, u32, u32)> {
    let who = get(socket, libc::SO_PEERCRED, libc::ucred { pid: 0, uid: 0, gid: 0 })?;
    Ok((who.pid, who.uid, who.gid))
}

/// Whether a program of the packet filter decides what is received.
pub fn has_filter(socket: impl AsFd) -> bool {
    let mut len: libc::socklen_t = 0;
    // SAFETY: nothing is written where the length is 0.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_GET_FILTER,
            std::ptr::null_mut(),
            &raw mut len,
        )
    };
    // One that was loaded by another call can't be told.
    answer < 0 || len > 0
}

fn count(socket: impl AsFd, request: libc::c_ulong) -> io::Result<u32> {
    let mut count = 0_i32;
    // SAFETY: a valid place for the answer.
    check(unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), request, &raw mut count) })?;
    Ok(count.max(0).cast_unsigned())
}

/// Bytes that wait to be received: all of a stream's or of packets, of datagrams those of the first.
///
/// # Errors
/// `EINVAL`: it listens.
pub fn unread(socket: impl AsFd) -> io::Result<u32> {
    count(socket, libc::FIONREAD)
}

/// Memory, in bytes, of what was sent and has not been received.
///
/// # Errors
/// `EINVAL`: it listens.
pub fn unreceived(socket: impl AsFd) -> io::Result<u32> {
    count(socket, libc::TIOCOUTQ)
}

/// The file that a socket was bound to, for its path only; `None` where it has none.
///
/// # Errors
/// `EPERM`: it needs `CAP_NET_ADMIN`.
pub fn bound_file(socket: impl AsFd) -> io::Result<Option<OwnedFd>> {
    const SIOCUNIXFILE: libc::c_ulong = 0x89e0;
    // SAFETY: no pointers.
    match owned(unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCUNIXFILE, 0) }) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        other => other.map(Some),
    }
}

const PATH: usize = offset_of!(libc::sockaddr_un, sun_path);

fn address(name: &[u8]) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    if name.len() > MAX_NAME {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let family = libc::sa_family_t::try_from(libc::AF_UNIX).expect("small");
    let mut address = libc::sockaddr_un { sun_family: family, sun_path: [0; MAX_NAME] };
    for (to, from) in address.sun_path.iter_mut().zip(name) {
        *to = from.cast_signed();
    }
    let len = libc::socklen_t::try_from(PATH + name.len()).expect("small");
    Ok((address, len))
}

fn name_in(address: &libc::sockaddr_un, len: libc::socklen_t) -> Vec<u8> {
    let len = usize::try_from(len).expect("64 bits").saturating_sub(PATH).min(MAX_NAME);
    let mut name: Vec<u8> =
        address.sun_path[..len].iter().map(|byte| byte.cast_unsigned()).collect();
    if name.first().is_some_and(|first| *first != 0) {
        name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    }
    name
}

fn no_address() -> libc::sockaddr_un {
    libc::sockaddr_un { sun_family: 0, sun_path: [0; MAX_NAME] }
}

/// The socket's name.
///
/// # Errors
/// As the kernel says.
pub fn name(socket: impl AsFd) -> io::Result<Vec<u8>> {
    let (mut address, mut len) = (no_address(), length::<libc::sockaddr_un>());
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the address is valid for as many bytes as is said.
    check(unsafe { libc::getsockname(fd, (&raw mut address).cast(), &raw mut len) })?;
    Ok(name_in(&address, len))
}

/// The name of the other end.
///
/// # Errors
/// `ENOTCONN`: there is none.
pub fn peer_name(socket: impl AsFd) -> io::Result<Vec<u8>> {
    let (mut address, mut len) = (no_address(), length::<libc::sockaddr_un>());
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the address is valid for as many bytes as is said.
    check(unsafe { libc::getpeername(fd, (&raw mut address).cast(), &raw mut len) })?;
    Ok(name_in(&address, len))
}

/// A new socket.
///
/// # Errors
/// As the kernel says.
pub fn socket(kind: Type) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0) })
}

/// Two new sockets that are connected.
///
/// # Errors
/// As the kernel says.
pub fn pair(kind: Type) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: a valid place for both.
    check(unsafe {
        libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr())
    })?;
    Ok((owned(ends[0])?, owned(ends[1])?))
}

/// Gives a socket a name; the empty one: a name that nobody has.
///
/// # Errors
/// `EADDRINUSE`: somebody has it, or there is such a file.
pub fn bind(socket: impl AsFd, name: &[u8]) -> io::Result<()> {
    let (address, len) = address(name)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the address is valid for as many bytes as is said.
    check(unsafe { libc::bind(fd, (&raw const address).cast(), len) }).map(drop)
}

/// Connects a socket, without waiting where it is set so.
///
/// # Errors
/// `ECONNREFUSED`: nobody is behind that name. `EPROTOTYPE`: a socket of another type.
pub fn connect(socket: impl AsFd, name: &[u8]) -> io::Result<()> {
    let (address, len) = address(name)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the address is valid for as many bytes as is said.
    check(unsafe { libc::connect(fd, (&raw const address).cast(), len) }).map(drop)
}

/// Whether there is a socket behind a path, which notices nothing of the question.
///
/// # Errors
/// The path can't be looked up.
pub fn answers(path: &[u8]) -> io::Result<bool> {
    // Sockets of other types turn a connection of datagrams away, and those of this one aren't told.
    match connect(socket(libc::SOCK_DGRAM)?, path) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EPROTOTYPE | libc::EPERM) => Ok(true),
            Some(libc::ECONNREFUSED | libc::ENOENT) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Takes a datagram socket's connection away.
///
/// # Errors
/// As the kernel says.
pub fn disconnect(socket: impl AsFd) -> io::Result<()> {
    let none = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
    // SAFETY: the address is valid for as many bytes as is said.
    check(unsafe {
        libc::connect(socket.as_fd().as_raw_fd(), &raw const none, length::<libc::sockaddr>())
    })
    .map(drop)
}

/// Listens for so many connections.
///
/// # Errors
/// As the kernel says.
pub fn listen(socket: impl AsFd, backlog: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::listen(socket.as_fd().as_raw_fd(), backlog) }).map(drop)
}

/// The first of the connections that wait.
///
/// # Errors
/// As the kernel says.
pub fn accept(socket: impl AsFd) -> io::Result<OwnedFd> {
    let (fd, none) = (socket.as_fd().as_raw_fd(), std::ptr::null_mut());
    // SAFETY: no address is asked for.
    owned(unsafe { libc::accept4(fd, none, std::ptr::null_mut(), libc::SOCK_CLOEXEC) })
}

/// Ends one direction or both (`SHUT_RD`, `SHUT_WR`, `SHUT_RDWR`).
///
/// # Errors
/// As the kernel says.
pub fn shutdown(socket: impl AsFd, how: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::shutdown(socket.as_fd().as_raw_fd(), how) }).map(drop)
}

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

/// Does something as another user and group, without other groups: this thread only.
///
/// # Errors
/// `EPERM`: it needs `CAP_SETUID` and `CAP_SETGID`. Or as `what` fails.
pub fn as_user<T>(user: u32, group: u32, what: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    const SAME: u32 = u32::MAX;
    // SAFETY: no arguments.
    let own = unsafe { (libc::geteuid(), libc::getegid()) };
    let groups = if own == (user, group) { None } else { Some(nix::unistd::getgroups()?) };
    let call = |number, first: u32, second: u32| {
        // SAFETY: no pointers. The library's function would change all threads.
        let answer = unsafe { libc::syscall(number, first, second, SAME) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    let set_groups = |groups: &[u32]| {
        // SAFETY: as many groups are valid for reading as is said.
        let answer = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    let Some(groups) = groups else { return what() };
    let groups: Vec<u32> = groups.into_iter().map(nix::unistd::Gid::as_raw).collect();
    set_groups(&[])?;
    let done = call(libc::SYS_setresgid, SAME, group).and_then(|()| {
        let done = call(libc::SYS_setresuid, SAME, user).and_then(|()| what());
        call(libc::SYS_setresuid, SAME, own.0)?;
        done
    });
    call(libc::SYS_setresgid, SAME, own.1)?;
    set_groups(&groups)?;
    done
}

/// A unix socket of this network namespace, as `sock_diag` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its inode.
    pub inode: u32,
    /// `SOCK_…`.
    pub kind: Type,
    /// It listens.
    pub listens: bool,
    /// The inode of the other end, if it has one; 0: that is closed, or was not accepted yet.
    pub peer: Option<u32>,
    /// Inodes of those that wait to be accepted, the first first; 0: it is closed.
    pub waiting: Vec<u32>,
    /// How many may wait.
    pub backlog: u32,
    /// 1: it receives no more; 2: it sends no more.
    pub shut: u8,
}

/// All unix sockets of this network namespace.
///
/// # Errors
/// The kernel was built without `unix_diag`.
pub fn all() -> io::Result<Vec<Told>> {
    const UNIX_DIAG: u16 = 20;
    const SHOW: u32 = 0x04 | 0x08 | 0x10;
    const HEAD: usize = 16;
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
    let mut request = Vec::with_capacity(HEAD + 24);
    request.extend(40_u32.to_ne_bytes());
    request.extend(UNIX_DIAG.to_ne_bytes());
    request.extend(u16::try_from(flags).expect("small").to_ne_bytes());
    request.extend([0; 8]);
    request.extend([u8::try_from(libc::AF_UNIX).expect("small"), 0, 0, 0]);
    for word in [u32::MAX, 0, SHOW, u32::MAX, u32::MAX] {
        request.extend(word.to_ne_bytes());
    }
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers.
    let link = owned(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) })?;
    // SAFETY: valid for reading.
    let sent = unsafe { libc::send(link.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut all = Vec::new();
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let to = buffer.as_mut_ptr().cast();
        // SAFETY: valid for writing as many bytes as is said.
        let n = unsafe { libc::recv(link.as_raw_fd(), to, buffer.len(), 0) };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        let mut rest = &buffer[..n];
        while rest.len() >= HEAD {
            let len = word(rest, 0) as usize;
            let kind = u16::from_ne_bytes([rest[4], rest[5]]);
            let Some(body) = rest.get(HEAD..len) else { return Err(short()) };
            match i32::from(kind) {
                libc::NLMSG_DONE => return Ok(all),
                libc::NLMSG_ERROR => {
                    let error = word(body, 0).cast_signed();
                    return Err(io::Error::from_raw_os_error(-error));
                }
                _ => all.push(told(body).ok_or_else(short)?),
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        if n == 0 {
            return Err(short());
        }
    }
}

fn short() -> io::Error {
    io::Error::other("sock_diag answers less than it says")
}

/// The word at an offset; 0 beyond the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// `struct unix_diag_msg` and its attributes.
fn told(body: &[u8]) -> Option<Told> {
    const HEAD: usize = 16;
    const LISTEN: u8 = 10;
    const PEER: u16 = 2;
    const ICONS: u16 = 3;
    const QUEUES: u16 = 4;
    const SHUTDOWN: u16 = 6;
    let mut told = Told {
        kind: i32::from(*body.get(1)?),
        listens: *body.get(2)? == LISTEN,
        inode: word(body, 4),
        ..Told::default()
    };
    let mut rest = body.get(HEAD..)?;
    while rest.len() >= 4 {
        let len = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        let kind = u16::from_ne_bytes([rest[2], rest[3]]);
        let value = rest.get(4..len)?;
        match kind {
            PEER => told.peer = Some(word(value, 0)),
            ICONS => told.waiting = (0..value.len() / 4).map(|nth| word(value, nth * 4)).collect(),
            QUEUES if told.listens => told.backlog = word(value, 4),
            SHUTDOWN => told.shut = *value.first()?,
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(told)
}

#[cfg(test)]
mod tests;
