//! Filling another process's memory without a fault for each page: `userfaultfd`.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::foreign::Span;

const API: u64 = 0xaa;
const REGISTER_MISSING: u64 = 1;

/// What `userfaultfd` is called with: no faults of the kernel's own are handled, so that no privilege is needed.
pub const USER_MODE_ONLY: u64 = 1;

/// A userfaultfd that belongs to another process's memory.
#[derive(Debug)]
pub struct Filler {
    descriptor: OwnedFd,
}

impl Filler {
    /// Takes a descriptor that the other process made.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let filler = Self { descriptor };
        let mut api = [API, 0, 0];
        filler.ask(libc::_IOWR::<[u64; 3]>(0xaa, 0x3f), &mut api)?;
        Ok(filler)
    }

    /// Fills missing pages of a mapping from now on; they are no longer made by touching them.
    ///
    /// # Errors
    /// `EINVAL`: it is not anonymous memory.
    pub fn register(&self, span: Span) -> io::Result<()> {
        let mut register = [span.start, span.len(), REGISTER_MISSING, 0];
        self.ask(libc::_IOWR::<[u64; 4]>(0xaa, 0x00), &mut register)
    }

    /// Makes pages at `to`, with this content.
    ///
    /// # Errors
    /// `EEXIST`: there is a page already.
    pub fn copy(&self, to: u64, from: &[u8]) -> io::Result<()> {
        let mut done = 0_u64;
        let len = from.len() as u64;
        while done < len {
            let part = &from[usize::try_from(done).expect("64 bits")..];
            let mut copy = [to + done, part.as_ptr().expose_provenance() as u64, len - done, 0, 0];
            match self.ask(libc::_IOWR::<[u64; 5]>(0xaa, 0x03), &mut copy) {
                Ok(()) => return Ok(()),
                Err(error) => match copy[4].cast_signed() {
                    some @ 1.. => done += some.cast_unsigned(),
                    _ if error.raw_os_error() == Some(libc::EAGAIN) => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    fn ask<const N: usize>(&self, request: libc::c_ulong, words: &mut [u64; N]) -> io::Result<()> {
        // SAFETY: the request's number says how many bytes the kernel reads and writes: those of `words`.
        // Memory that they point to is the caller's slice, which is only read.
        let answer =
            unsafe { libc::ioctl(self.descriptor.as_raw_fd(), request, words.as_mut_ptr()) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
