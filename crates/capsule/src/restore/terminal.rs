//! Controlling terminals: a session's leader takes one before it has children of that session, who inherit it; and
//! which group is in the foreground there is said when all groups are there.

use std::io;

use outlast_image::{Open, Table, Terminal};

use crate::freeze::bits;

use super::build::Builder;
use super::{RestoreError, Trying};

/// Text in the scratch memory.
const TEXT: u64 = 4096;

impl Builder<'_> {
    /// Takes the controlling terminal of a process's session, if it leads that; gives it up if it hadn't one.
    pub(super) fn take_terminal(&self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        for (nth, terminal) in self.snapshot.terminals.iter().enumerate() {
            if terminal.session != process.session {
                continue;
            }
            let Some(slave) = self.parked().controlling(nth) else { continue };
            let call = |request: libc::Ioctl| {
                self.made(index).call(libc::SYS_ioctl, &[bits(slave), request, 0]).map(drop)
            };
            if process.session == process.pid {
                call(libc::TIOCSCTTY).trying("taking its controlling terminal", process.pid)?;
            }
            // Of a leader's other children it can't be said: it had none before it had children.
            if terminal.without.contains(&process.pid) && process.session != process.pid {
                call(libc::TIOCNOTTY).trying("giving up a terminal", process.pid)?;
            }
        }
        Ok(())
    }

    /// Says which groups are in the foreground.
    pub(super) fn set_foregrounds(&self) -> Result<(), RestoreError> {
        for (nth, terminal) in self.snapshot.terminals.iter().enumerate() {
            let leader = self
                .snapshot
                .processes
                .iter()
                .position(|process| process.pid == terminal.session && process.body.is_some());
            // Without members a group can't be there.
            let there = self.snapshot.processes.iter().any(|process| {
                process.group == terminal.foreground && process.session == terminal.session
            });
            if let Some(leader) = leader.filter(|_| there && terminal.foreground > 0) {
                self.set_foreground(leader, nth, terminal)
                    .trying("setting the foreground group", terminal.foreground)?;
            }
        }
        Ok(())
    }

    fn set_foreground(&self, leader: usize, nth: usize, terminal: &Terminal) -> io::Result<()> {
        let made = self.made(leader);
        let body = self.process(leader).body.as_ref().expect("not a zombie");
        let own = match &body.table {
            Table::Own(table) => table.iter().find(|one| {
                let what = &self.snapshot.descriptions[one.description as usize].what;
                matches!(what, Open::Slave(index) if *index as usize == nth)
            }),
            Table::Shared(_) => None,
        };
        let group = terminal.foreground.to_le_bytes();
        let set = |number: u64| {
            let at = made.put(0, &group)?;
            made.call(libc::SYS_ioctl, &[number, libc::TIOCSPGRP, at]).map(drop)
        };
        if let Some(own) = own {
            return set(bits(own.number));
        }
        let path = made.put(TEXT, b"/dev/tty\0")?;
        let flags = bits(libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK);
        let at = bits(libc::AT_FDCWD);
        let number = made.call(libc::SYS_openat, &[at, path, flags, 0])?;
        let done = set(number);
        made.call(libc::SYS_close, &[number])?;
        done
    }
}
