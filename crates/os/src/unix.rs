//! Unix sockets: what the kernel tells of them, what waits in one without taking it, and making others like them.
//!
//! A name is what `sun_path` holds: a path without its zero at the end, or a zero and the abstract name's bytes, or
//! nothing.

mod diag;
mod message;

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

pub use diag::{Told, all};
pub use message::{Message, before_last, peek, send};

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

#[cfg(test)]
mod tests;
