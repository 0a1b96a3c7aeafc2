//! Pseudo-terminals: which are the tree's own, and what is in them.
//!
//! One whose master is in the tree is the tree's own, whoever has its slave. The others come from outside, and are
//! replaced at a restore, of which the settings of the one that the tree is run from are kept; those whose master was closed read a hang-up, and stay so. Slaves are matched with
//! masters by device and number; a slave that was opened as `/dev/tty` has neither of its own, and is the controlling
//! terminal of the process that has it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use nix::poll::PollFlags;
use outlast_image::{Open, OutsideTerminal, Terminal, TerminalSettings};
use outlast_os::terminal as os;

use crate::dump::Collected;
use crate::freeze::{Frozen, StoppedProcess};
use crate::terminal::{self, Queues};

use super::Seen;

/// `/dev/pts/…`.
const SLAVES: std::ops::RangeInclusive<u32> = 136..=143;

struct Master {
    seen: Seen,
    comm: Vec<u8>,
    handle: OwnedFd,
    index: u32,
    /// Of the file system that its slave's name is in.
    device: u64,
    owner: (u32, u32),
    mode: u32,
}

struct Slave {
    seen: Seen,
    handle: OwnedFd,
    /// The device that it is, as the kernel packs it.
    tty: u32,
    /// Its number; none that a master has, if it is no pseudo-terminal.
    index: u32,
    /// `None`: it was opened as `/dev/tty`.
    device: Option<u64>,
    /// The session of the process that has it.
    session: i32,
}

/// The terminals of a tree.
#[derive(Default)]
pub(super) struct Terminals {
    masters: Vec<Master>,
    slaves: Vec<Slave>,
}

impl Terminals {
    /// A master, of a stopped process: its index.
    pub(super) fn master(&mut self, seen: Seen, comm: &[u8], handle: OwnedFd) -> io::Result<Open> {
        let slave = os::open_slave(&handle, libc::O_PATH)?;
        let meta = std::fs::File::from(slave).metadata()?;
        self.masters.push(Master {
            seen,
            comm: comm.to_vec(),
            index: os::index(&handle)?,
            device: meta.dev(),
            owner: (meta.uid(), meta.gid()),
            mode: meta.mode() & 0o7777,
            handle,
        });
        Ok(Open::Master(u32::try_from(self.masters.len() - 1).expect("bounded")))
    }

    /// Another terminal's descriptor. `None`: it isn't known yet whose it is.
    pub(super) fn other(
        &mut self,
        seen: Seen,
        session: i32,
        meta: &std::fs::Metadata,
        handle: OwnedFd,
    ) -> io::Result<Option<Open>> {
        let device = match os::device(&handle) {
            Err(error) if error.raw_os_error() == Some(libc::EIO) => return Ok(Some(Open::HungUp)),
            other => other?,
        };
        let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
        self.slaves.push(Slave {
            seen,
            handle,
            tty: device,
            index: if SLAVES.contains(&major) { minor } else { u32::MAX },
            device: SLAVES.contains(&libc::major(meta.rdev())).then(|| meta.dev()),
            session,
        });
        Ok(None)
    }

    /// Once all processes are known: whose the slaves are, and all that is in the terminals.
    pub(super) fn finish(self, frozen: &Frozen, collected: &mut Collected) -> io::Result<()> {
        for (nth, master) in (0..).zip(&self.masters) {
            let owners = os::owners(&master.handle)?;
            let own: Vec<&Slave> = self
                .slaves
                .iter()
                .filter(|slave| {
                    slave.index == master.index
                        && match slave.device {
                            Some(device) => device == master.device,
                            None => owners.0 != 0 && slave.session == owners.0,
                        }
                })
                .collect();
            for slave in &own {
                let description = slave.seen.description as usize;
                collected.snapshot.descriptions[description].what = Open::Slave(nth);
            }
            let looked = master.look(&own, frozen, owners);
            match looked {
                Ok(Ok(terminal)) => collected.snapshot.terminals.push(terminal),
                Ok(Err(why)) => master.refuse(why, collected),
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    let why = "it is exclusive (TIOCEXCL): to look at it needs CAP_SYS_ADMIN";
                    master.refuse(why, collected);
                }
                Err(error) => return Err(error),
            }
        }
        collected.snapshot.outside = self.outside(frozen, collected)?;
        Ok(())
    }

    /// The terminal that the tree is run from.
    fn outside(
        &self,
        frozen: &Frozen,
        collected: &Collected,
    ) -> io::Result<Option<OutsideTerminal>> {
        let root = &frozen.processes[0].stat;
        let found = self.slaves.iter().find(|slave| {
            let description = &collected.snapshot.descriptions[slave.seen.description as usize];
            matches!(description.what, Open::Stream { .. })
                && slave.tty.cast_signed() == root.terminal
        });
        let Some(slave) = found else { return Ok(None) };
        let leader = frozen.processes.iter().find(|process| process.pid == root.session);
        let group = |process: &&StoppedProcess| process.stat.group == root.foreground;
        Ok(Some(OutsideTerminal {
            settings: plain(&os::settings(&slave.handle)?),
            size: os::size(&slave.handle)?,
            session: leader.map_or(0, |leader| leader.status.session),
            foreground: frozen.processes.iter().find(group).map_or(0, |one| one.status.group),
        }))
    }
}

fn plain(settings: &os::Settings) -> TerminalSettings {
    let os::Settings { flags, characters, speeds, .. } = *settings;
    TerminalSettings { flags, characters, speeds }
}

impl Master {
    fn refuse(&self, why: &str, collected: &mut Collected) {
        let place =
            format!("descriptor {}, pseudo-terminal (pty) {}", self.seen.number, self.index);
        collected.refuse(self.seen.pid, &self.comm, place, why);
    }

    fn look(
        &self,
        slaves: &[&Slave],
        frozen: &Frozen,
        (session, foreground): (i32, i32),
    ) -> io::Result<Result<Terminal, &'static str>> {
        let master = &self.handle;
        let settings = os::settings(master)?;
        if settings.line != 0 {
            return Ok(Err("it has a line discipline of its own, which is not carried"));
        }
        // One that was never opened is told from one that is open to nobody any more by the hang-up.
        let opened = !slaves.is_empty() || terminal::events(master, PollFlags::POLLHUP)?;
        let queues = if opened {
            let holder = (self.seen.pid, self.seen.number);
            match terminal::copy(frozen.terminal_note(), holder, master, &settings)? {
                Ok(queues) => queues,
                Err(why) => return Ok(Err(why)),
            }
        } else if terminal::ready(master)? {
            return Ok(Err("something waits in it, though none of its tree has it open"));
        } else {
            Queues::default()
        };
        let exclusive = |end: Option<&OwnedFd>| end.map_or(Ok(false), os::exclusive);
        let inner = |outer: i32, of: fn(&StoppedProcess) -> (i32, i32)| {
            let found = frozen.processes.iter().map(of).find(|(id, _)| *id == outer && outer != 0);
            found.map_or(0, |(_, inner)| inner)
        };
        let members = frozen.processes.iter().filter(|process| {
            session != 0 && process.stat.session == session && !process.is_zombie()
        });
        Ok(Ok(Terminal {
            index: self.index,
            opened,
            locked: os::locked(master)?,
            packets: os::packets(master)?,
            exclusive: [
                exclusive(Some(master))?,
                exclusive(slaves.first().map(|slave| &slave.handle))?,
            ],
            settings: plain(&settings),
            size: os::size(master)?,
            owner: self.owner,
            mode: self.mode,
            output: queues.output,
            input: queues.input,
            ends: queues.ends,
            session: inner(session, |process| (process.stat.session, process.status.session)),
            foreground: inner(foreground, |process| (process.stat.group, process.status.group)),
            without: members
                .filter(|process| process.stat.terminal == 0)
                .map(|process| process.status.pid)
                .collect(),
        }))
    }
}
