//! Pseudo-terminals, as plain data, and what must be true of them.

use serde::{Deserialize, Serialize};

use crate::{Open, Snapshot};

/// `kernel.pty.max` is 4096 unless somebody raised it; each lower number is taken for a moment by a restore.
pub(crate) const MAX_INDEX: u32 = 4096;

/// What the kernel keeps of what was typed, at most: whoever writes more waits for a reader.
pub(crate) const MAX_INPUT: usize = 4095;

/// What it keeps of what was written, together with what is on its way to the reader, at most.
pub(crate) const MAX_OUTPUT: usize = 32 * 1024;

/// A pseudo-terminal whose master is in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Its number, as in `/dev/pts/3`.
    pub index: u32,
    /// Its slave is, or was, open: if it is no more, the master reads a hang-up.
    pub opened: bool,
    /// Its slave can't be opened (`TIOCSPTLCK`).
    pub locked: bool,
    /// Packet mode (`TIOCPKT`).
    pub packets: bool,
    /// Master and slave can't be opened once more (`TIOCEXCL`).
    pub exclusive: [bool; 2],
    /// Settings.
    pub settings: TerminalSettings,
    /// Rows, columns, and both in pixels.
    pub size: [u16; 4],
    /// Owner and group of the slave's name.
    pub owner: (u32, u32),
    /// Permission bits of the slave's name.
    pub mode: u32,
    /// What the master has not read yet.
    #[serde(with = "serde_bytes")]
    pub output: Vec<u8>,
    /// What the slave has not read yet; what follows the last line is still being typed, if lines are collected.
    #[serde(with = "serde_bytes")]
    pub input: Vec<u8>,
    /// After how many bytes of the input an end of file was typed, in rising order.
    pub ends: Vec<u32>,
    /// The session whose controlling terminal it is; 0 for none.
    pub session: i32,
    /// The group in the foreground; 0 for none.
    pub foreground: i32,
    /// Members of the session that have no controlling terminal.
    pub without: Vec<i32>,
}

/// The terminal from outside that controls the session of the tree's first process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideTerminal {
    /// Settings.
    pub settings: TerminalSettings,
    /// Rows, columns, and both in pixels.
    pub size: [u16; 4],
    /// The session, if its leader is in the tree; 0 otherwise.
    pub session: i32,
    /// The group in the foreground, if it is the tree's; 0 otherwise.
    pub foreground: i32,
}

/// `struct termios2`, with the usual line discipline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSettings {
    /// `c_iflag`, `c_oflag`, `c_cflag`, `c_lflag`.
    pub flags: [u32; 4],
    /// `c_cc`.
    pub characters: [u8; 19],
    /// Bits per second: in, out.
    pub speeds: [u32; 2],
}

impl Snapshot {
    /// What is wrong with the terminals: with which, and what.
    pub(crate) fn judge_terminals(&self) -> Result<(), (usize, String)> {
        if self.outside.is_some_and(|one| one.session < 0 || one.foreground < 0) {
            return Err((self.terminals.len(), "session or group out of range".to_owned()));
        }
        let mut masters = vec![0; self.terminals.len()];
        for description in &self.descriptions {
            if let Open::Master(index) = description.what
                && let Some(count) = masters.get_mut(index as usize)
            {
                *count += 1;
            }
        }
        for (nth, count) in masters.into_iter().enumerate() {
            self.judge_terminal(nth).map_err(|what| (nth, what))?;
            if count != 1 {
                return Err((nth, format!("{count} descriptions of its master, expected 1")));
            }
        }
        Ok(())
    }

    fn judge_terminal(&self, nth: usize) -> Result<(), String> {
        /// `ICANON`.
        const LINES: u32 = 2;
        let terminal = &self.terminals[nth];
        if terminal.index >= MAX_INDEX {
            return Err(format!("number {}, expected less than {MAX_INDEX}", terminal.index));
        }
        let earlier = &self.terminals[..nth];
        if earlier.iter().any(|other| other.index == terminal.index) {
            return Err(format!("number {} is there twice", terminal.index));
        }
        if terminal.session < 0 || terminal.foreground < 0 {
            return Err("session or group out of range".to_owned());
        }
        if terminal.session > 0 && earlier.iter().any(|other| other.session == terminal.session) {
            return Err(format!("session {} has another one", terminal.session));
        }
        let (output, input) = (terminal.output.len(), terminal.input.len() + terminal.ends.len());
        if output > MAX_OUTPUT || input > MAX_INPUT {
            return Err(format!(
                "{output} and {input} bytes wait in it, at most {MAX_OUTPUT} and {MAX_INPUT}"
            ));
        }
        let rising = terminal.ends.is_sorted();
        let inside = terminal.ends.last().is_none_or(|last| *last as usize <= terminal.input.len());
        if !rising
            || !inside
            || (terminal.settings.flags[3] & LINES == 0 && !terminal.ends.is_empty())
        {
            return Err("an end of file where none can be".to_owned());
        }
        if !terminal.opened && output + input > 0 {
            return Err("something waits in it, but it was never opened".to_owned());
        }
        if terminal.mode > 0o7777 {
            return Err(format!("permissions {:o}", terminal.mode));
        }
        Ok(())
    }
}
