//! Controlling terminals: a session's leader takes one before it has children of that session, who inherit it; and
//! which group is in the foreground there is said when all groups are there.
//!
//! The terminal that the tree was run from is replaced by the restorer's: the first of its standard streams that is
//! one. A tree that was a job of somebody else's session is one of the restorer's now, and gets
//! the foreground if the restorer has it to give. A tree with a session of its own takes the terminal if it is
//! nobody's.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use outlast_image::{Open, OutsideTerminal, Table};
use outlast_os::{foreign, terminal as os};

use crate::freeze::bits;

use super::build::Builder;
use super::open::settings_of;
use super::{RestoreError, RestoreOptions, Trying};

/// Text in the scratch memory.
const TEXT: u64 = 4096;

impl Builder<'_> {
    /// Takes the controlling terminal of a process's session, if it leads that; gives it up if it hadn't one.
    pub(super) fn take_terminal(&mut self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        let leads = process.session == process.pid;
        let call = |slave: i32, request: libc::Ioctl| {
            self.made(index).call(libc::SYS_ioctl, &[bits(slave), request, 0]).map(drop)
        };
        for (nth, terminal) in self.snapshot.terminals.iter().enumerate() {
            if terminal.session != process.session {
                continue;
            }
            let Some(slave) = self.parked().controlling(nth) else { continue };
            if leads {
                call(slave, libc::TIOCSCTTY)
                    .trying("taking its controlling terminal", process.pid)?;
            }
            // A leader that gave its own up has none in the image either.
            if terminal.without.contains(&process.pid) && !leads {
                call(slave, libc::TIOCNOTTY).trying("giving up a terminal", process.pid)?;
            }
        }
        let outside = self.snapshot.outside.filter(|one| leads && one.session == process.pid);
        if outside.is_some() {
            // It still has the restorer's streams under their numbers.
            let taken = match (0..3).find(|which| is_terminal(*which)) {
                Some(which) => call(which, libc::TIOCSCTTY)
                    .map_err(|error| format!("the one here is another session's: {error}")),
                None => Err("none of the standard streams here is one".to_owned()),
            };
            if let Err(why) = taken {
                self.notes.push(format!(
                    "session {} has no controlling terminal any more: {why}",
                    process.pid
                ));
            }
        }
        Ok(())
    }

    /// Says which groups are in the foreground.
    pub(super) fn set_foregrounds(&mut self) -> Result<(), RestoreError> {
        for (nth, terminal) in self.snapshot.terminals.iter().enumerate() {
            let is_own = |what: &Open| matches!(what, Open::Slave(index) if *index as usize == nth);
            if let Some(leader) = self.leader(terminal.session, terminal.foreground) {
                self.set_foreground(leader, terminal.foreground, is_own)
                    .trying("setting the foreground group", terminal.foreground)?;
            }
        }
        if let Some(outside) = self.snapshot.outside
            && let Some(leader) = self.leader(outside.session, outside.foreground)
        {
            // Without a terminal, which was noted, there is no foreground.
            let _ = self.set_foreground(leader, outside.foreground, |_| false);
        }
        Ok(())
    }

    /// The leader of a session, if that has such a group: without members a group can't be there.
    fn leader(&self, session: i32, group: i32) -> Option<usize> {
        let processes = &self.snapshot.processes;
        let there = |group| {
            processes.iter().any(|process| process.group == group && process.session == session)
        };
        let leader = processes.iter().position(|one| one.pid == session && one.body.is_some());
        leader.filter(|_| group > 0 && there(group))
    }

    fn set_foreground(
        &self,
        leader: usize,
        group: i32,
        is_own: impl Fn(&Open) -> bool,
    ) -> io::Result<()> {
        let made = self.made(leader);
        let body = self.process(leader).body.as_ref().expect("not a zombie");
        let own = match &body.table {
            Table::Own(table) => table
                .iter()
                .find(|one| is_own(&self.snapshot.descriptions[one.description as usize].what)),
            Table::Shared(_) => None,
        };
        let set = |number: u64| {
            let at = made.put(0, &group.to_le_bytes())?;
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

    /// Once everything is there, and just before it goes on: the restorer's terminal gets the settings of the one that the tree
    /// was run from. Whether the tree has the foreground.
    pub(super) fn bind_outside(&mut self, options: &RestoreOptions) -> bool {
        let (Some(outside), Some(terminal)) = (self.snapshot.outside, os::standard()) else {
            return false;
        };
        let own = nix::unistd::getpgrp().as_raw();
        if os::foreground(&terminal).is_ok_and(|group| group != own) {
            // Another program is at it: it isn't ours to change.
            return false;
        }
        let settings = settings_of(&outside.settings);
        if let Err(error) = os::without_stop(|| os::set_settings(&terminal, &settings)) {
            self.notes.push(format!("the terminal doesn't take its old settings: {error}"));
        }
        options.foreground && self.bring_forward(&outside, &terminal)
    }

    fn bring_forward(&mut self, outside: &OutsideTerminal, terminal: &OwnedFd) -> bool {
        let processes = self.snapshot.processes.iter().zip(&self.made);
        let mut members = processes.filter(|(process, _)| process.group == outside.foreground);
        let member = members.find_map(|(_, made)| made.as_ref());
        let Some(member) = member.filter(|_| outside.session == 0 && outside.foreground > 0) else {
            return false;
        };
        let group = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(member.pid)));
        let put = group
            .map_err(io::Error::from)
            .and_then(|group| os::set_foreground(terminal, group.as_raw()));
        if let Err(error) = &put {
            self.notes.push(format!("the program isn't in the foreground: {error}"));
        }
        put.is_ok()
    }

    /// Tells those at the terminal that it has another size, once they run.
    pub(super) fn tell_size(&self) {
        let (Some(outside), Some(terminal)) = (self.snapshot.outside, os::standard()) else {
            return;
        };
        if os::size(&terminal).is_ok_and(|size| size == outside.size) {
            return;
        }
        for (process, made) in self.snapshot.processes.iter().zip(&self.made) {
            if process.group == outside.foreground
                && let Some(made) = made
            {
                // One that has ended by now needs no word.
                let _ = foreign::pidfd_open(made.pid)
                    .and_then(|handle| foreign::kill(handle.as_fd(), libc::SIGWINCH));
            }
        }
    }
}

/// Whether a standard stream of ours is a terminal.
fn is_terminal(which: i32) -> bool {
    outlast_os::files::standard_stream(which).is_ok_and(|stream| os::settings(stream).is_ok())
}
