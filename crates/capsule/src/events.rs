//! What a descriptor is ready for, asked without waiting.

use std::io;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What is so of what is `wanted`, and errors and hang-ups.
pub(crate) fn now(end: &impl AsFd, wanted: PollFlags) -> io::Result<PollFlags> {
    let mut asked = [PollFd::new(end.as_fd(), wanted)];
    poll(&mut asked, PollTimeout::ZERO)?;
    Ok(asked[0].revents().unwrap_or(PollFlags::empty()))
}
