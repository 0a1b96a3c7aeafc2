//! Pseudo-terminals, made again under the numbers that they had.
//!
//! A new one always gets the lowest number that is free, so those below are taken for a moment. In a new pid namespace the
//! tree gets terminals of its own (a devpts), where all numbers are free; elsewhere a number may be in use.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use outlast_image::{Open, Snapshot, Terminal, TerminalSettings};
use outlast_os::terminal as os;

use crate::restore::spaces::Spaces;
use crate::restore::{RestoreError, RestoreOptions, Trying};
use crate::terminal::{Queues, own_slave, put};

use super::LATER;

/// Where slaves have their names.
const FOLDER: &str = "/dev/pts";

const PTMX: &str = "/dev/ptmx";

/// Terminals, until their ends are taken.
pub(super) struct Terminals {
    /// By index of [`Snapshot::terminals`].
    made: Vec<Made>,
}

struct Made {
    master: OwnedFd,
    /// As long as it is here its end counts as open. `None`: it never was.
    slave: Option<OwnedFd>,
}

impl Terminals {
    /// Makes all of them, with what is in them.
    pub(super) fn make(
        snapshot: &Snapshot,
        spaces: &Spaces,
        options: &RestoreOptions,
        notes: &mut Vec<String>,
    ) -> Result<Self, RestoreError> {
        let terminals = &snapshot.terminals;
        if terminals.is_empty() {
            return Ok(Self { made: Vec::new() });
        }
        let own = spaces.are_new();
        if own {
            own_terminals(spaces).needing("mounting terminals of its own", "CAP_SYS_ADMIN")?;
        }
        let highest = terminals.iter().map(|terminal| terminal.index).max().unwrap_or(0);
        super::raise_limit(u64::from(highest) + 2 * terminals.len() as u64 + super::OTHERS as u64)?;
        let mut order: Vec<usize> = (0..terminals.len()).collect();
        order.sort_by_key(|nth| terminals[*nth].index);
        let mut made: Vec<Option<Made>> = terminals.iter().map(|_| None).collect();
        // Lower numbers, kept for as long as they aren't to be given out.
        let mut below = Vec::new();
        for nth in order {
            let terminal = &terminals[nth];
            let name = || format!("{FOLDER}/{}", terminal.index);
            let master = loop {
                let master = new_master().with(|| format!("making terminal {} again", name()))?;
                let index = os::index(&master).with(|| format!("making terminal {}", name()))?;
                if index < terminal.index {
                    below.push(master);
                    continue;
                }
                if index > terminal.index && !options.accept_changed {
                    return Err(RestoreError::TerminalTaken(terminal.index));
                }
                if index > terminal.index {
                    notes.push(format!("terminal {} is {FOLDER}/{index} now", name()));
                }
                break master;
            };
            let one = fill(master, terminal).with(|| format!("filling terminal {}", name()))?;
            made[nth] = Some(one);
        }
        Ok(Self { made: made.into_iter().flatten().collect() })
    }

    /// One end, for a description.
    pub(super) fn end(&self, what: &Open, flags: i32) -> io::Result<OwnedFd> {
        match what {
            Open::Master(index) => self.made[*index as usize].master.try_clone(),
            Open::Slave(index) => os::open_slave(&self.made[*index as usize].master, how(flags)),
            _ => hung_up(flags),
        }
    }

    /// A slave for a session that has it as its controlling terminal.
    pub(super) fn controlling(&self, index: usize) -> io::Result<OwnedFd> {
        own_slave(&self.made[index].master, false)
    }

    /// What would have been in the way before everything was open.
    pub(super) fn finish(self, snapshot: &Snapshot) -> Result<(), RestoreError> {
        for (made, terminal) in self.made.iter().zip(&snapshot.terminals) {
            let [master, slave] = terminal.exclusive;
            let set = || -> io::Result<()> {
                if master {
                    os::set_exclusive(&made.master)?;
                }
                if let Some(end) = made.slave.as_ref().filter(|_| slave) {
                    os::set_exclusive(end)?;
                }
                os::set_locked(&made.master, terminal.locked)
            };
            set().with(|| format!("locking terminal {FOLDER}/{}", terminal.index))?;
        }
        Ok(())
    }
}

fn how(flags: i32) -> i32 {
    flags & (libc::O_ACCMODE | LATER) | libc::O_NOCTTY
}

fn new_master() -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = open(PTMX, flags, Mode::empty())?;
    os::set_locked(&master, false)?;
    Ok(master)
}

/// A slave without a master.
fn hung_up(flags: i32) -> io::Result<OwnedFd> {
    os::open_slave(new_master()?, how(flags))
}

/// Settings as the kernel takes them.
pub(in crate::restore) fn settings_of(settings: &TerminalSettings) -> os::Settings {
    let TerminalSettings { flags, characters, speeds } = *settings;
    os::Settings { flags, line: 0, characters, speeds }
}

fn fill(master: OwnedFd, terminal: &Terminal) -> io::Result<Made> {
    let settings = settings_of(&terminal.settings);
    os::set_size(&master, terminal.size)?;
    let name = format!("{FOLDER}/{}", os::index(&master)?);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(terminal.mode);
    // Only root can give it away; its owner is who made it otherwise, and then the group's rights aren't ours to give.
    let given = std::os::unix::fs::chown(&name, Some(terminal.owner.0), Some(terminal.owner.1));
    if given.is_ok() {
        std::fs::set_permissions(&name, mode)?;
    }
    let slave = if terminal.opened {
        let slave = own_slave(&master, false)?;
        let queues = Queues {
            output: terminal.output.clone(),
            input: terminal.input.clone(),
            ends: terminal.ends.clone(),
        };
        put(&master, &slave, &settings, &queues)?;
        Some(slave)
    } else {
        os::set_settings(&master, &settings)?;
        None
    };
    os::set_packets(&master, terminal.packets)?;
    Ok(Made { master, slave })
}

/// Mounts terminals of its own, with the options of those that are there.
fn own_terminals(spaces: &Spaces) -> io::Result<()> {
    let mut text = String::new();
    spaces.open("thread-self/mountinfo", OFlag::O_RDONLY)?.read_to_string(&mut text)?;
    let options = mount_options(&text).unwrap_or_else(|| "mode=600,ptmxmode=666".to_owned());
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("devpts"), FOLDER, Some("devpts"), flags, Some(options.as_str()))?;
    // A node or a link finds the folder beside it; what was bound there is still the old one's.
    let own = Path::new(FOLDER).join("ptmx");
    let linked = std::fs::symlink_metadata(PTMX)?.file_type().is_symlink();
    if !linked && is_of_devpts()? {
        mount(Some(own.as_path()), PTMX, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    }
    Ok(())
}

fn is_of_devpts() -> io::Result<bool> {
    const DEVPTS: i64 = 0x1cd1;
    Ok(nix::sys::statfs::statfs(PTMX)?.filesystem_type().0 == DEVPTS)
}

/// The options of the devpts that is mounted last; of `mountinfo`, after ` - `: type, source, options.
fn mount_options(mountinfo: &str) -> Option<String> {
    let lines = mountinfo.lines().rev();
    let mut found = lines.filter_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let place = mount.split(' ').nth(4)?;
        let mut fields = file_system.split(' ');
        (fields.next() == Some("devpts") && place == FOLDER).then(|| fields.nth(1))?
    });
    let known = |option: &&str| {
        let name = option.split('=').next().unwrap_or_default();
        ["uid", "gid", "mode", "ptmxmode", "max"].contains(&name)
    };
    Some(found.next()?.split(',').filter(known).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_the_mount_that_is_seen() {
        let text = "24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12k\n\
26 24 0:24 / /dev/pts rw - devpts devpts rw,mode=600,ptmxmode=000\n\
29 26 0:26 / /dev/pts rw,relatime shared:3 - devpts devpts rw,gid=5,mode=620,ptmxmode=666\n";
        assert_eq!(mount_options(text).unwrap(), "gid=5,mode=620,ptmxmode=666");
        assert_eq!(mount_options("24 27 0:6 / /dev rw - devtmpfs devtmpfs rw\n"), None);
    }
}
