//! Pipes: which lead out of the tree, and what is in the others.
//!
//! A pipe with ends of both kinds in the tree is the tree's own. One that has no other end anywhere
//! is at its end (the kernel says so: a hang-up to its readers, an error to its writers), and
//! stays so. What is left has its other end outside: as a standard stream it is replaced by the
//! restorer's; elsewhere it is refused.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, SpliceFFlags, fcntl, tee};
use nix::poll::PollFlags;
use outlast_image::{FileId, Open, Packet};

use crate::events;
use crate::proc::DescriptorInfo;

use super::super::Collected;
use super::{Seen, empty_pipe};

/// The most that a pipe can hold.
const MAX_CAPACITY: usize = 1 << 31;

/// One end that was seen.
struct End {
    /// `None` while only looking.
    description: Option<u32>,
    pid: i32,
    comm: Vec<u8>,
    number: i32,
    /// The lowest number that its description has anywhere.
    lowest: i32,
    handle: Option<OwnedFd>,
}

#[derive(Default)]
struct Both {
    index: u32,
    readers: Vec<End>,
    writers: Vec<End>,
}

/// The pipes of a tree.
#[derive(Default)]
pub(crate) struct Streams {
    pipes: HashMap<u64, Both>,
    /// Descriptions of terminals.
    terminals: Vec<u32>,
    /// Not pipes, but like them.
    pub(super) sockets: super::unix::Looked,
    lowest: HashMap<u32, i32>,
}

fn ends(flags: u32) -> (bool, bool) {
    match flags.cast_signed() & libc::O_ACCMODE {
        libc::O_RDONLY => (true, false),
        libc::O_WRONLY => (false, true),
        _ => (true, true),
    }
}

impl Streams {
    /// A pipe's end, of a process that runs.
    pub(super) fn saw(
        &mut self,
        pid: i32,
        comm: &[u8],
        number: i32,
        inode: u64,
        info: &DescriptorInfo,
    ) {
        let both = self.pipes.entry(inode).or_default();
        let end = || End {
            description: None,
            pid,
            comm: comm.to_vec(),
            number,
            lowest: number,
            handle: None,
        };
        let (reads, writes) = ends(info.flags);
        both.readers.extend(reads.then(end));
        both.writers.extend(writes.then(end));
    }

    /// Refuses the pipes that lead out, of processes that run.
    pub(crate) fn judge(self, collected: &mut Collected) {
        self.sockets.judge(collected);
        for both in self.pipes.into_values() {
            let lone = match (both.readers.is_empty(), both.writers.is_empty()) {
                (false, true) => both.readers,
                (true, false) => both.writers,
                _ => continue,
            };
            // Whether the other end is still there is only asked of a stopped process's own descriptor.
            if lone.iter().any(|end| end.number > 2)
                && let Some(end) = lone.iter().find(|end| end.number > 2)
                && outside(end.pid, end.number).unwrap_or(false)
            {
                refuse(collected, end);
            }
        }
    }

    /// A description with another number.
    pub(super) fn also(&mut self, description: u32, number: i32) {
        let lowest = self.lowest.entry(description).or_insert(number);
        *lowest = number.min(*lowest);
    }

    /// A description of a terminal.
    pub(super) fn terminal(&mut self, description: u32) {
        self.terminals.push(description);
    }

    /// A pipe's end, of a stopped process: the pipe's index.
    #[expect(clippy::too_many_arguments, reason = "all that was read of one descriptor")]
    pub(super) fn pipe(
        &mut self,
        seen: Seen,
        comm: &[u8],
        inode: u64,
        fifo: Option<FileId>,
        handle: OwnedFd,
        info: &DescriptorInfo,
        collected: &mut Collected,
    ) -> io::Result<u32> {
        self.also(seen.description, seen.number);
        let pipes = &mut collected.snapshot.pipes;
        let both = self.pipes.entry(inode).or_insert_with(|| {
            pipes.push(empty_pipe(fifo, false));
            Both { index: u32::try_from(pipes.len() - 1).expect("bounded"), ..Both::default() }
        });
        let pipe = &mut pipes[both.index as usize];
        pipe.packets |= info.flags & libc::O_DIRECT.cast_unsigned() != 0;
        let (reads, writes) = ends(info.flags);
        let end = |handle| End {
            description: Some(seen.description),
            pid: seen.pid,
            comm: comm.to_vec(),
            number: seen.number,
            lowest: seen.number,
            handle: Some(handle),
        };
        if reads {
            both.readers.push(end(handle.try_clone()?));
        }
        if writes {
            both.writers.push(end(handle));
        }
        Ok(both.index)
    }

    /// Takes the content of the tree's pipes, and turns the others into streams, or refuses them.
    pub(super) fn finish(self, collected: &mut Collected) -> io::Result<()> {
        for (description, lowest) in &self.lowest {
            if self.terminals.contains(description)
                && let Open::Stream { which, .. } =
                    &mut collected.snapshot.descriptions[*description as usize].what
            {
                *which = if *lowest < 3 { *lowest } else { 0 };
            }
        }
        for both in self.pipes.into_values() {
            let outside = match (both.readers.first(), both.writers.first()) {
                (Some(end), None) => !hung(end, PollFlags::POLLHUP)?,
                (None, Some(end)) => !hung(end, PollFlags::POLLERR)?,
                _ => false,
            };
            if outside {
                let fifo = collected.snapshot.pipes[both.index as usize].fifo.is_some();
                for mut end in both.readers.into_iter().chain(both.writers) {
                    let description = end.description.expect("of a stopped process");
                    end.lowest = self.lowest.get(&description).copied().unwrap_or(end.number);
                    if end.lowest > 2 || fifo {
                        refuse(collected, &end);
                        continue;
                    }
                    let was = "a pipe to a program outside".to_owned();
                    collected.snapshot.descriptions[description as usize].what =
                        Open::Stream { which: end.lowest, was };
                }
                continue;
            }
            let pipe = &mut collected.snapshot.pipes[both.index as usize];
            let any = both.readers.first().or(both.writers.first());
            if let Some(handle) = any.and_then(|end| end.handle.as_ref()) {
                let capacity = fcntl(handle, FcntlArg::F_GETPIPE_SZ)?;
                pipe.capacity = u64::try_from(capacity).unwrap_or(0);
            }
            if let Some(handle) = both.writers.first().and_then(|end| end.handle.as_ref()) {
                pipe.full = !writable(handle)?;
            }
            if let Some(handle) = both.readers.first().and_then(|end| end.handle.as_ref()) {
                pipe.content = content(handle, pipe.capacity, pipe.packets)?;
            }
        }
        Ok(())
    }
}

fn refuse(collected: &mut Collected, end: &End) {
    let place = format!("descriptor {}", end.number);
    collected.refuse(end.pid, &end.comm, place, "the other end of this pipe is outside the tree");
}

/// Whether the other end of a running process's pipe is held by somebody.
fn outside(pid: i32, number: i32) -> io::Result<bool> {
    let process = outlast_os::foreign::pidfd_open(pid)?;
    let end = outlast_os::foreign::pidfd_getfd(process.as_fd(), number)?;
    Ok(events::now(&end, PollFlags::empty())?.is_empty())
}

fn hung(end: &End, sign: PollFlags) -> io::Result<bool> {
    let Some(handle) = &end.handle else { return Ok(false) };
    Ok(events::now(handle, PollFlags::empty())?.intersects(sign))
}

/// Whether something can be read.
pub(super) fn ready(end: &OwnedFd) -> io::Result<bool> {
    Ok(!events::now(end, PollFlags::POLLIN)?.is_empty())
}

fn writable(end: &OwnedFd) -> io::Result<bool> {
    Ok(!events::now(end, PollFlags::POLLOUT)?.is_empty())
}

/// What is in a pipe, which keeps it.
fn content(pipe: &OwnedFd, capacity: u64, packets: bool) -> io::Result<Vec<Packet>> {
    if !ready(pipe)? {
        return Ok(Vec::new());
    }
    let (read, write) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC | nix::fcntl::OFlag::O_NONBLOCK)?;
    let size = i32::try_from(capacity).unwrap_or(i32::MAX);
    fcntl(&write, FcntlArg::F_SETPIPE_SZ(size))?;
    let most = usize::try_from(capacity).unwrap_or(MAX_CAPACITY);
    match tee(pipe, &write, most, SpliceFFlags::SPLICE_F_NONBLOCK) {
        Ok(_) => {}
        Err(nix::errno::Errno::EAGAIN) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    drop(write);
    let mut all: Vec<Packet> = Vec::new();
    let mut buffer = vec![0; most];
    loop {
        match nix::unistd::read(&read, &mut buffer) {
            Ok(0) | Err(nix::errno::Errno::EAGAIN) => return Ok(all),
            Ok(n) => match all.last_mut() {
                Some(last) if !packets => last.0.extend_from_slice(&buffer[..n]),
                _ => all.push(Packet(buffer[..n].to_vec())),
            },
            Err(error) => return Err(error.into()),
        }
    }
}
