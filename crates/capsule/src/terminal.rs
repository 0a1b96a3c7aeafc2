//! What waits in the queues of a pseudo-terminal: taken out and put back, without loss.
//!
//! The kernel has no way to look at these queues without emptying them, nor at a line that isn't finished without
//! leaving line mode. So, while the tree is stopped, everything is taken out, written down, and put
//! back at once:
//!
//! ```text
//!   nothing ──▶ taking: read right into the watchdog's memory ──▶ putting: written to the other end ──▶ nothing
//!                 │ killed, or an error                             │
//!                 └─▶ the rest is taken, then as there              └─▶ both queues emptied, all of it put again
//! ```
//!
//! Whoever mends it (this process, or the watchdog in its place) goes by what is written down alone: the settings
//! that the terminal had, and every byte that was read. Which read was under way is told by how much waits now. Only
//! where an end of file was typed ahead alone does nothing tell: it counts as not read, so that it is lost if
//! we are killed in the very moment between that read and the next instruction.
//!
//! What is put is put under settings that change nothing of it: no signals, no echo, no translation. In line mode the only special
//! characters are the line's end and one for the end of file, which occurs nowhere else.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use outlast_os::foreign;
use outlast_os::shared::SharedWords;
use outlast_os::terminal::{self, Queue, Settings};

/// `ICANON` of `c_lflag`: lines are collected.
const LINES: u32 = libc::ICANON;

/// `c_lflag`'s index in [`Settings::flags`].
const LOCAL: usize = 3;

/// Of whole lines that wait, at most so many bytes: what is put back then reaches the line discipline in one piece
/// (`TTY_BUFFER_PAGE` is some 1790).
const MAX_LINES: usize = 1024;

/// What a terminal's queue holds before more is kept elsewhere (`N_TTY_BUF_SIZE`, less one).
const MAX_QUEUE: usize = 4095;

/// How long the kernel may take to bring what was written to the other end.
const SOON: Duration = Duration::from_secs(2);

/// What waits in a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queues {
    /// What the master would read.
    pub(crate) output: Vec<u8>,
    /// What the slave would read.
    pub(crate) input: Vec<u8>,
    /// After how many bytes of the input an end of file was typed.
    pub(crate) ends: Vec<u32>,
}

/// Words of a note: which are written before what they tell of is done.
const STAGE: usize = 0;
const PID: usize = 1;
const NUMBER: usize = 2;
const MARKS: usize = 3;
const BEGUN: usize = 4;
const EXPECTED: usize = 5;
const BEFORE: usize = 6;
const LENGTHS: [usize; 2] = [7, 8];
const ENDS: usize = 9;
const ENDS_BEFORE: usize = 10;
const SETTINGS: usize = 16;
const END_PLACES: usize = 32;
const MAX_ENDS: usize = 4096;
const BYTES: [usize; 2] = [END_PLACES + MAX_ENDS, END_PLACES + MAX_ENDS + ROOM / 8];

/// Bytes for a queue: more than one can hold, with what is kept before it.
const ROOM: usize = 32 * 1024;

/// Words that a note takes.
pub(crate) const NOTE: usize = END_PLACES + MAX_ENDS + 2 * ROOM / 8;

const OUTPUT: usize = 0;
const INPUT: usize = 1;

const TAKING: u64 = 1;
const PUTTING: u64 = 2;

const PACKETS: u64 = 1;
const LOCKED: u64 = 2;

/// Where it is written down what was taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note<'a> {
    words: &'a SharedWords,
    start: usize,
}

impl<'a> Note<'a> {
    /// In the words from `start` on, [`NOTE`] of them.
    pub(crate) fn at(words: &'a SharedWords, start: usize) -> Self {
        Self { words, start }
    }

    fn word(&self, which: usize) -> &AtomicU64 {
        &self.words.words()[self.start + which]
    }

    fn get(&self, which: usize) -> u64 {
        self.word(which).load(Ordering::Acquire)
    }

    fn small(&self, which: usize) -> usize {
        usize::try_from(self.get(which)).unwrap_or(0).min(ROOM)
    }

    fn set(&self, which: usize, value: u64) {
        self.word(which).store(value, Ordering::Release);
    }

    fn begin(&self, holder: (i32, i32), settings: &Settings, marks: u64) {
        self.set(PID, u64::from(holder.0.cast_unsigned()));
        self.set(NUMBER, u64::from(holder.1.cast_unsigned()));
        self.set(MARKS, marks);
        for zero in [BEGUN, EXPECTED, BEFORE, LENGTHS[0], LENGTHS[1], ENDS, ENDS_BEFORE] {
            self.set(zero, 0);
        }
        let flags = settings.flags.iter().chain(&settings.speeds).copied().map(u64::from);
        let characters = settings
            .characters
            .chunks(8)
            .map(|some| some.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        for (nth, word) in flags.chain(characters).enumerate() {
            self.set(SETTINGS + nth, word);
        }
        self.set(STAGE, TAKING);
    }

    fn settings(&self) -> Settings {
        let word = |nth: usize| self.get(SETTINGS + nth);
        let number = |nth: usize| u32::try_from(word(nth)).unwrap_or(0);
        Settings {
            flags: std::array::from_fn(number),
            line: 0,
            characters: std::array::from_fn(|nth| word(6 + nth / 8).to_le_bytes()[nth % 8]),
            speeds: [number(4), number(5)],
        }
    }

    /// Reads what waits, `expected` bytes, into the memory.
    fn read(&self, from: &OwnedFd, which: usize, expected: usize, lines: bool) -> io::Result<()> {
        let before = self.small(LENGTHS[which]);
        self.set(EXPECTED, expected as u64);
        self.set(BEFORE, before as u64);
        self.set(ENDS_BEFORE, self.get(ENDS));
        self.set(BEGUN, 1 + which as u64);
        // A line with the mark of its end needs room for more than its bytes; other reads mustn't wait for more than there is.
        let most = if lines { MAX_QUEUE + 1 } else { expected };
        let read = self.words.read_from(from, self.start + BYTES[which], before, most);
        let read = match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.set(BEGUN, 0);
                return Ok(());
            }
            other => other?,
        };
        self.done(which, read, lines);
        Ok(())
    }

    /// So many bytes came.
    fn done(&self, which: usize, read: usize, lines: bool) {
        let length = (self.small(BEFORE) + read).min(ROOM);
        self.set(LENGTHS[which], length as u64);
        let last = length.checked_sub(1).filter(|_| read > 0);
        if lines && last.is_none_or(|at| self.byte(which, at) != b'\n') {
            let count = self.small(ENDS_BEFORE).min(MAX_ENDS - 1);
            self.set(END_PLACES + count, length as u64);
            self.set(ENDS, count as u64 + 1);
        }
        self.set(BEGUN, 0);
    }

    fn byte(&self, which: usize, at: usize) -> u8 {
        self.get(BYTES[which] + at / 8).to_le_bytes()[at % 8]
    }

    fn bytes(&self, which: usize) -> Vec<u8> {
        (0..self.small(LENGTHS[which])).map(|at| self.byte(which, at)).collect()
    }

    fn queues(&self) -> Queues {
        let ends = 0..self.small(ENDS).min(MAX_ENDS);
        Queues {
            output: self.bytes(OUTPUT),
            input: self.bytes(INPUT),
            ends: ends
                .map(|nth| u32::try_from(self.small(END_PLACES + nth)).expect("bounded"))
                .collect(),
        }
    }

    /// A read was begun by somebody who isn't there any more: whether it happened is told by how much waits.
    fn settle(&self, master: &OwnedFd, slave: &OwnedFd, lines: bool) -> io::Result<()> {
        let which = match self.get(BEGUN) {
            1 => OUTPUT,
            2 => INPUT,
            _ => return Ok(()),
        };
        let from = if which == OUTPUT { master } else { slave };
        let (expected, before) = (self.small(EXPECTED), self.small(BEFORE));
        let now = terminal::waiting(from)?;
        let lines = lines && which == INPUT;
        let read = if lines {
            expected.saturating_sub(now)
        } else {
            let touched = (before..before + expected).any(|at| self.byte(which, at) != 0);
            if touched || now != expected { expected } else { 0 }
        };
        if read > 0 {
            self.done(which, read, lines);
        } else {
            self.set(BEGUN, 0);
        }
        Ok(())
    }
}

/// Whether something can be read; that asks the kernel to bring what is on its way.
pub(crate) fn ready(end: &OwnedFd) -> io::Result<bool> {
    events(end, PollFlags::POLLIN)
}

/// Whether something that is asked for is so.
pub(crate) fn events(end: &OwnedFd, which: PollFlags) -> io::Result<bool> {
    Ok(crate::events::now(end, which)?.intersects(which))
}

/// A slave of our own, which never makes us wait.
pub(crate) fn own_slave(master: &OwnedFd, locked: bool) -> io::Result<OwnedFd> {
    if locked {
        terminal::set_locked(master, false)?;
    }
    let opened = terminal::open_slave(master, libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK);
    if locked {
        terminal::set_locked(master, true)?;
    }
    opened
}

fn raw(settings: &Settings) -> Settings {
    let mut raw = *settings;
    raw.flags[LOCAL] &= !LINES;
    raw
}

fn is_lines(settings: &Settings) -> bool {
    settings.flags[LOCAL] & LINES != 0
}

/// Copies what waits in a terminal of a stopped tree, which keeps it; or says why that can't be. `holder` is a process
/// and its number for the master.
pub(crate) fn copy(
    note: Note<'_>,
    holder: (i32, i32),
    master: &OwnedFd,
    settings: &Settings,
) -> io::Result<Result<Queues, &'static str>> {
    let packets = terminal::packets(master)?;
    let locked = terminal::locked(master)?;
    if packets && events(master, PollFlags::POLLPRI)? {
        return Ok(Err("a change of its state waits to be read (packet mode); try again"));
    }
    let marks = if packets { PACKETS } else { 0 } | if locked { LOCKED } else { 0 };
    note.begin(holder, settings, marks);
    let copied = own_slave(master, locked).and_then(|slave| {
        if let Some(why) = obstacle(master, &slave, settings)? {
            return Ok(Err(why));
        }
        // Nothing is touched where nothing waits: a line that isn't finished is seen by nobody.
        if !is_lines(settings) && terminal::waiting(&slave)? == 0 && !ready(master)? {
            return Ok(Ok(Queues::default()));
        }
        take(note, master, &slave)?;
        note.set(STAGE, PUTTING);
        let queues = note.queues();
        put(master, &slave, settings, &queues)?;
        if packets {
            terminal::set_packets(master, true)?;
        }
        Ok(Ok(queues))
    });
    match copied {
        Ok(_) => note.set(STAGE, 0),
        Err(_) => mend(note),
    }
    copied
}

/// What would not go back as it came.
fn obstacle(
    master: &OwnedFd,
    slave: &OwnedFd,
    settings: &Settings,
) -> io::Result<Option<&'static str>> {
    const EXTERNAL: u32 = libc::EXTPROC;
    const OTHER_ENDS: [usize; 2] = [libc::VEOL, libc::VEOL2];
    // Asking brings what is on its way.
    let (_, input) = (ready(master)?, ready(slave)?);
    let waiting = terminal::waiting(slave)?;
    let lines = is_lines(settings);
    let other_ends = OTHER_ENDS.iter().any(|at| settings.characters[*at] != 0);
    Ok(if settings.flags[LOCAL] & EXTERNAL != 0 {
        Some("its input is processed elsewhere (EXTPROC), which is not carried")
    } else if !events(slave, PollFlags::POLLOUT)? {
        Some("its output is stopped, or nobody reads it; try again when it is read")
    } else if waiting >= if lines { MAX_LINES } else { MAX_QUEUE } {
        Some("more input waits in it than can be copied; try again when it has been read")
    } else if lines && input && other_ends {
        Some("lines with other ends (VEOL) wait in it; try again when they have been read")
    } else {
        None
    })
}

/// Takes out all that is still there, and writes it down.
fn take(note: Note<'_>, master: &OwnedFd, slave: &OwnedFd) -> io::Result<()> {
    let settings = note.settings();
    let now = terminal::settings(slave)?;
    let lines = is_lines(&settings) && is_lines(&now);
    note.settle(master, slave, lines)?;
    terminal::set_packets(master, false)?;
    while ready(master)? {
        let waiting = terminal::waiting(master)?;
        if waiting == 0 {
            break;
        }
        note.read(master, OUTPUT, waiting, false)?;
    }
    if lines {
        while ready(slave)? {
            note.read(slave, INPUT, terminal::waiting(slave)?, true)?;
        }
        // Only so a line that isn't finished is seen.
        terminal::set_settings(slave, &raw(&settings))?;
    }
    loop {
        ready(slave)?;
        let waiting = terminal::waiting(slave)?;
        if waiting == 0 {
            return Ok(());
        }
        note.read(slave, INPUT, waiting, false)?;
    }
}

/// Puts bytes into the empty queues of a terminal, which has `settings` afterwards. It must not be in packet mode.
pub(crate) fn put(
    master: &OwnedFd,
    slave: &OwnedFd,
    settings: &Settings,
    queues: &Queues,
) -> io::Result<()> {
    let mut plain = *settings;
    plain.flags = [0, 0, settings.flags[2], settings.flags[LOCAL] & LINES];
    let end = (1..=u8::MAX).find(|byte| *byte != b'\n' && !queues.input.contains(byte));
    if is_lines(settings) {
        plain.characters = [0; 19];
        plain.characters[libc::VEOF] = end.ok_or_else(|| io::Error::other("too many kinds"))?;
    } else {
        // A single byte is something to read.
        plain.characters[libc::VMIN] = 1;
        plain.characters[libc::VTIME] = 0;
    }
    if !queues.output.is_empty() || !queues.input.is_empty() || !queues.ends.is_empty() {
        terminal::set_settings(slave, &plain)?;
        write_all(slave, &queues.output)?;
        let mut typed = Vec::with_capacity(queues.input.len() + queues.ends.len());
        let mut done = 0;
        for place in &queues.ends {
            let place = (*place as usize).min(queues.input.len());
            typed.extend_from_slice(queues.input.get(done..place).unwrap_or_default());
            typed.extend(end);
            done = done.max(place);
        }
        typed.extend_from_slice(&queues.input[done..]);
        write_all(master, &typed)?;
        arrived(slave, &plain, queues)?;
    }
    terminal::set_settings(slave, settings)
}

fn write_all(to: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + SOON;
    while !bytes.is_empty() {
        match nix::unistd::write(to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR)
                if Instant::now() < deadline =>
            {
                std::thread::yield_now();
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits until the line discipline has all that was typed: it goes by the settings of the moment that it gets it.
/// A line that isn't finished is seen by nobody, but it came in the same piece as those before it, or alone: then asking
/// whether there is something to read waits for it.
fn arrived(slave: &OwnedFd, plain: &Settings, queues: &Queues) -> io::Result<()> {
    let seen = if is_lines(plain) {
        let line = queues.input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        line.max(queues.ends.last().map_or(0, |place| *place as usize)).min(queues.input.len())
    } else {
        queues.input.len()
    };
    let deadline = Instant::now() + SOON;
    while !(terminal::waiting(slave)? >= seen
        && (ready(slave)? || (seen == 0 && queues.ends.is_empty())))
    {
        if Instant::now() > deadline {
            return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Gives a terminal back what was taken out of it, whatever was under way. There is nobody to tell what fails.
pub(crate) fn mend(note: Note<'_>) {
    let stage = note.get(STAGE);
    if stage != 0 {
        let _ = try_to_mend(note, stage);
        note.set(STAGE, 0);
    }
}

fn try_to_mend(note: Note<'_>, stage: u64) -> io::Result<()> {
    let number = |which| i32::try_from(note.get(which)).unwrap_or(-1);
    let process = foreign::pidfd_open(number(PID))?;
    let master = foreign::pidfd_getfd(process.as_fd(), number(NUMBER))?;
    let marks = note.get(MARKS);
    if marks & LOCKED != 0 {
        terminal::set_locked(&master, true)?;
    }
    let slave = own_slave(&master, marks & LOCKED != 0)?;
    if stage == TAKING {
        take(note, &master, &slave)?;
        note.set(STAGE, PUTTING);
    }
    terminal::set_packets(&master, false)?;
    for end in [&master, &slave] {
        terminal::flush(end, Queue::Out)?;
        terminal::flush(end, Queue::In)?;
    }
    put(&master, &slave, &note.settings(), &note.queues())?;
    terminal::set_packets(&master, marks & PACKETS != 0)
}

#[cfg(test)]
mod tests;
