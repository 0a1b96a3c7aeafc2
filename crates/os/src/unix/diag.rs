//! What `sock_diag` tells of the unix sockets of a network namespace.
//!
//! It is asked by hand: it is one request and one structure, and the crates for it bring a stack of their own.

use std::io;
use std::os::fd::AsRawFd;

use super::{Type, owned};

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
pub(super) fn told(body: &[u8]) -> Option<Told> {
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
