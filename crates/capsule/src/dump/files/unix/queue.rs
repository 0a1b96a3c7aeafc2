//! What waits in a socket, looked at and left there.

use std::io;
use std::os::fd::OwnedFd;

use nix::poll::PollFlags;
use outlast_os::unix::{self, Message};

use super::events;

/// The first room for a message; the next is twice as large.
const ROOM: usize = 64 * 1024;

/// No message is longer.
const MOST: usize = 1 << 30;

/// Puts `SO_PEEK_OFF` back.
struct Offset<'a>(&'a OwnedFd, i32);

impl Offset<'_> {
    fn to(&self, at: usize) -> io::Result<()> {
        let at = i32::try_from(at).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        unix::set_option(self.0, libc::SO_PEEK_OFF, at)
    }
}

impl Drop for Offset<'_> {
    fn drop(&mut self) {
        // It took such a number before.
        let _ = unix::set_option(self.0, libc::SO_PEEK_OFF, self.1);
    }
}

fn whole(message: &Message) -> io::Result<()> {
    if message.lost {
        return Err(io::Error::other(
            "more descriptors wait in it than this process may have open",
        ));
    }
    Ok(())
}

/// What waits in a stream: parts that end where descriptors come, or another sender's bytes.
pub(super) fn stream(handle: &OwnedFd, peek_off: i32) -> io::Result<Vec<Message>> {
    let mut left = unix::unread(handle)? as usize;
    if left == 0 {
        return Ok(Vec::new());
    }
    if peek_off < 0
        && let Some(all) = unix::peek(handle, left)?
        && all.bytes.len() == left
        && all.passed.is_empty()
    {
        whole(&all)?;
        return Ok(vec![all]);
    }
    let offset = Offset(handle, peek_off);
    let mut at = 0;
    let mut all = Vec::new();
    while left > 0 {
        offset.to(at)?;
        let Some(mut part) = unix::peek(handle, left)?.filter(|part| !part.bytes.is_empty()) else {
            return Err(io::Error::other("less waits in it than it says"));
        };
        whole(&part)?;
        at += part.bytes.len();
        left -= part.bytes.len();
        if !part.passed.is_empty() {
            // They come with the first byte of what they were sent with.
            offset.to(at - part.bytes.len())?;
            let without = unix::before_last(handle, part.bytes.len())?;
            let rest = part.bytes.split_off(without);
            let passed = std::mem::take(&mut part.passed);
            let last = Message { bytes: rest, passed, sender: part.sender, ..Message::default() };
            if without > 0 {
                all.push(part);
            }
            all.push(last);
        } else {
            all.push(part);
        }
    }
    Ok(all)
}

/// What waits in a socket of packets, or of datagrams.
pub(super) fn packets(
    handle: &OwnedFd,
    peek_off: i32,
    connected: bool,
) -> io::Result<Vec<Message>> {
    // At its end a connection answers as if it had an empty packet.
    let total = if connected { unix::unread(handle)? as usize } else { usize::MAX };
    let mut all = Vec::new();
    if total == 0 || !events(handle)?.contains(PollFlags::POLLIN) {
        return Ok(all);
    }
    let offset = Offset(handle, peek_off);
    let (mut at, mut room) = (0, ROOM);
    while at < total {
        offset.to(at)?;
        let Some(message) = unix::peek(handle, room)? else { break };
        whole(&message)?;
        if message.cut && room < MOST {
            room *= 2;
            continue;
        }
        at += message.bytes.len();
        all.push(message);
    }
    Ok(all)
}
