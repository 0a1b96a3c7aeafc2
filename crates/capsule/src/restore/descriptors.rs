//! Each process's descriptors, taken from the parked ones; and its directories.

use std::io;

use outlast_image::{Open, Place, Table};

use crate::freeze::bits;

use super::build::Builder;
use super::layout::about;
use super::open::lock_type;
use super::{RestoreError, Trying};

/// Text in the scratch memory.
const TEXT: u64 = 4096;

fn bits32(flags: i32) -> u32 {
    flags.cast_unsigned()
}

impl Builder<'_> {
    /// Gives a process its descriptors and directories, and takes the parked ones away.
    pub(super) fn take_descriptors(&mut self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        let body = process.body.as_ref().expect("not a zombie");
        if let Table::Own(table) = &body.table {
            self.take_table(index, table).trying("taking descriptors", process.pid)?;
        }
        if let Place::Own { directory, root, umask } = &body.place {
            let made = self.made(index);
            let call = |number, path: &[u8]| -> io::Result<u64> {
                let mut path = path.to_vec();
                path.push(0);
                let at = made.put(TEXT, &path)?;
                made.call(number, &[at])
            };
            let go = || -> io::Result<()> {
                if let Some(root) = root {
                    call(libc::SYS_chroot, root)?;
                    // Its directory is told as seen from outside.
                    let inside = directory.strip_prefix(root.as_slice()).unwrap_or(directory);
                    call(libc::SYS_chdir, if inside.is_empty() { b"/" } else { inside })?;
                } else {
                    call(libc::SYS_chdir, directory)?;
                }
                made.call(libc::SYS_umask, &[u64::from(*umask)])?;
                Ok(())
            };
            let name = String::from_utf8_lossy(directory).into_owned();
            go().map_err(|error| about(error, &format!("directory {name}")))
                .trying("entering its directory", process.pid)?;
        }
        Ok(())
    }

    fn take_table(&self, index: usize, table: &[outlast_image::Descriptor]) -> io::Result<()> {
        let made = self.made(index);
        let base = bits(self.parked().base);
        let end = bits(self.parked().end);
        made.call(libc::SYS_close_range, &[0, base - 1, 0])?;
        made.call(libc::SYS_close_range, &[end, u64::from(u32::MAX), 0])?;
        let place = |parked: i32, number: i32, close_on_exec: bool| {
            let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
            made.call(libc::SYS_dup3, &[bits(parked), bits(number), bits(flags)])
        };
        for one in table {
            place(self.parked().description(one.description), one.number, one.close_on_exec)?;
        }
        // Watches are kept under the number that was given: so they are added where the numbers are right. An instance that
        // several processes have gets its watches from the first of them.
        for one in table {
            let Open::Epoll(watches) = &self.snapshot.descriptions[one.description as usize].what
            else {
                continue;
            };
            if !self.is_first(index, one.description)
                || table
                    .iter()
                    .find(|other| other.description == one.description)
                    .is_some_and(|first| first.number != one.number)
            {
                continue;
            }
            for watch in watches {
                let now = table.iter().find(|other| other.number == watch.number);
                let there = now.is_some_and(|other| other.description == watch.description);
                if !there {
                    place(self.parked().description(watch.description), watch.number, true)?;
                }
                let mut event = Vec::with_capacity(12);
                event.extend(watch.events.to_le_bytes());
                event.extend(watch.data.to_le_bytes());
                let at = made.put(0, &event)?;
                let add = [bits(one.number), bits(libc::EPOLL_CTL_ADD), bits(watch.number), at];
                made.call(libc::SYS_epoll_ctl, &add)
                    .map_err(|error| about(error, &format!("epoll's watch of {}", watch.number)))?;
                match now {
                    Some(other) if !there => {
                        let parked = self.parked().description(other.description);
                        place(parked, other.number, other.close_on_exec)?;
                    }
                    None => drop(made.call(libc::SYS_close, &[bits(watch.number)])?),
                    _ => {}
                }
            }
        }
        for one in table {
            // The kernel notes the number under which it is asked for.
            let flags = self.snapshot.descriptions[one.description as usize].flags;
            if flags & bits32(libc::O_ASYNC) != 0 {
                let set = [bits(one.number), bits(libc::F_SETFL), u64::from(flags)];
                made.call(libc::SYS_fcntl, &set)?;
            }
        }
        made.call(libc::SYS_close_range, &[base, end - 1, 0])?;
        // Closing any descriptor of a file gives up its record locks: so they come last.
        self.lock_records(index)
    }

    /// Whether no process before this one has a description.
    fn is_first(&self, index: usize, description: u32) -> bool {
        // Tables are taken children first.
        let later = self.snapshot.processes[..].iter().enumerate().filter_map(|(nth, process)| {
            match &process.body.as_ref()?.table {
                Table::Own(table) => {
                    table.iter().any(|one| one.description == description).then_some(nth)
                }
                Table::Shared(_) => None,
            }
        });
        later.min() == Some(index)
    }

    fn lock_records(&self, index: usize) -> io::Result<()> {
        let body = self.process(index).body.as_ref().expect("not a zombie");
        let made = self.made(index);
        for lock in &body.locks {
            let mut bytes = Vec::with_capacity(32);
            bytes.extend(lock_type(lock.kind).to_le_bytes());
            bytes.extend([0; 6]);
            bytes.extend(lock.start.to_le_bytes());
            bytes.extend(lock.len.to_le_bytes());
            bytes.extend([0; 8]);
            let at = made.put(0, &bytes)?;
            made.call(libc::SYS_fcntl, &[bits(lock.number), bits(libc::F_SETLK), at])
                .map_err(|error| about(error, "a record lock: somebody else has locked it?"))?;
        }
        Ok(())
    }
}
