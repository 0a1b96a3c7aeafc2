//! What waited in a socket, sent again.

use std::io;
use std::os::fd::BorrowedFd;

use outlast_image::{UnixMessage, UnixSocket};
use outlast_os::unix;

use super::Tree;

/// Sends a message as a whole.
pub(super) fn post(
    from: BorrowedFd<'_>,
    message: &UnixMessage,
    to: Option<&[u8]>,
    tree: &Tree<'_>,
) -> io::Result<()> {
    const EACH: usize = 64 * 1024;
    let now = usize::try_from(unix::unreceived(from)?).expect("64 bits");
    make_room(from, now.saturating_add(message.bytes.len()).saturating_add(EACH))?;
    let passed: Vec<BorrowedFd<'_>> =
        message.passed.iter().map(|index| (tree.description)(*index)).collect();
    unix::send(from, &message.bytes, to, &passed, sender(message, tree)).map(drop)
}

/// Sends a part of a stream, in pieces.
pub(super) fn pour(
    from: BorrowedFd<'_>,
    message: &UnixMessage,
    piece: usize,
    tree: &Tree<'_>,
) -> io::Result<()> {
    let passed: Vec<BorrowedFd<'_>> =
        message.passed.iter().map(|index| (tree.description)(*index)).collect();
    let mut passed = passed.as_slice();
    let mut rest = message.bytes.as_slice();
    while !rest.is_empty() {
        let one = &rest[..rest.len().min(piece)];
        let sent = unix::send(from, one, None, passed, sender(message, tree))?;
        passed = &[];
        rest = &rest[sent..];
    }
    Ok(())
}

/// Who a message is from, as this thread names him. Of one who is no more only user and group are known.
fn sender(message: &UnixMessage, tree: &Tree<'_>) -> Option<(i32, u32, u32)> {
    let (pid, user, group) = message.sender?;
    let own = std::process::id().cast_signed();
    Some(((tree.pid)(pid).unwrap_or(own), user, group))
}

/// Lets a socket keep who sends, if it wanted to know.
pub(super) fn listen_to_senders(fd: BorrowedFd<'_>, socket: &UnixSocket) -> io::Result<()> {
    let wanted = socket.queue.iter().any(|message| message.sender.is_some());
    if wanted { unix::set_option(fd, libc::SO_PASSCRED, 1) } else { Ok(()) }
}

/// Lets a socket send so much that nobody has received.
pub(super) fn make_room(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let now = unix::option(fd, libc::SO_SNDBUF)?;
    let wanted = i32::try_from(bytes).unwrap_or(i32::MAX / 2);
    if wanted <= now / 2 {
        return Ok(());
    }
    resize(fd, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, wanted)
}

/// Sets a buffer's size, beyond what is usual if that is allowed.
pub(super) fn resize(fd: BorrowedFd<'_>, force: i32, usual: i32, bytes: i32) -> io::Result<()> {
    unix::set_option(fd, force, bytes).or_else(|_| unix::set_option(fd, usual, bytes))
}
