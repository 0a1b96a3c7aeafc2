//! What a stopped thread was, kept where it survives the tracer.
//!
//! A tracer that is killed leaves its tracees in the middle of calls that they make for it, with
//! registers that aren't theirs. So, before the first of these calls, each thread's registers, signal
//! mask and processors are written down in memory shared with a watchdog process; and the `syscall`
//! instruction that is used is followed by a loop that does nothing but sleep:
//!
//! ```text
//!   0f 05            syscall                 written into the unused end of the vdso's last page,
//!   b8 22 00 00 00   mov  eax, 34 (pause)    which becomes the process's own copy; the zeros
//!   0f 05            syscall                 that were there are put back
//!   eb f7            jmp  -9
//! ```
//!
//! So a thread whose tracer dies sleeps there, all signals blocked, until the watchdog has seized it,
//! given back what it had, and let it go. Letting go without an accident is the same code.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use outlast_os::shared::{SharedWords, Watchdog, watchdog};
use outlast_os::trace::{self, Event, REGISTERS, Registers, Seize};

use crate::remote::Remote;

/// Threads of a tree at most: as many as the shared memory has room for.
pub(crate) const MAX_THREADS: usize = 32 * 1024;

/// Processors that an affinity can name here; more are not restricted again.
pub(crate) const AFFINITY_WORDS: usize = 16;

const SLOT: usize = 64;

/// A slot of a thread that was only moved to another processor; 1 is one that is held, 0 an empty one.
const PINNED: u64 = 2;

/// The loop, as the words that are poked.
pub(crate) const PARK: [u64; 2] = [
    u64::from_le_bytes([0x0f, 0x05, 0xb8, 0x22, 0, 0, 0, 0x0f]),
    u64::from_le_bytes([0x05, 0xeb, 0xf7, 0x90, 0x90, 0x90, 0x90, 0x90]),
];

/// A thread as it was when it was stopped, and what has been done to its process since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) tid: i32,
    pub(crate) registers: Registers,
    pub(crate) mask: u64,
    pub(crate) affinity: [u64; AFFINITY_WORDS],
    pub(crate) affinity_words: usize,
    /// Memory that was mapped for results: address and length.
    pub(crate) scratch: (u64, u64),
    /// Where [`PARK`] was written.
    pub(crate) parked: u64,
    /// The process ignores `SIGTRAP`.
    pub(crate) careful: bool,
}

impl Held {
    /// Puts everything back and lets the thread go. All threads of a process are put back before
    /// the first one is let go.
    pub(crate) fn put_back(&self) -> io::Result<()> {
        if self.parked != 0 {
            let remote = Remote {
                tid: self.tid,
                base: self.registers,
                at: self.parked,
                careful: self.careful,
            };
            if self.scratch.0 != 0 {
                remote.call(libc::SYS_munmap, &[self.scratch.0, self.scratch.1])?;
            }
            for (nth, _) in PARK.iter().enumerate() {
                trace::poke(self.tid, self.parked + nth as u64 * 8, 0)?;
            }
        }
        trace::set_registers(self.tid, &self.registers)?;
        trace::set_signal_mask(self.tid, self.mask)?;
        if self.affinity_words > 0 {
            outlast_os::schedule::set_affinity(self.tid, &self.affinity[..self.affinity_words])?;
        }
        Ok(())
    }

    fn encode(&self, slot: &[AtomicU64]) {
        let put = |at: usize, word: u64| slot[at].store(word, Ordering::Relaxed);
        put(1, u64::from(self.tid.cast_unsigned()));
        put(2, self.mask);
        put(3, self.affinity_words as u64);
        for (nth, word) in self.affinity.iter().enumerate() {
            put(4 + nth, *word);
        }
        for (nth, word) in self.registers.0.iter().enumerate() {
            put(20 + nth, *word);
        }
        put(48, self.scratch.0);
        put(49, self.scratch.1);
        put(50, self.parked);
        put(51, u64::from(self.careful));
        slot[0].store(1, Ordering::Release);
    }

    fn decode(slot: &[AtomicU64]) -> Option<Self> {
        let get = |at: usize| slot[at].load(Ordering::Relaxed);
        (slot[0].load(Ordering::Acquire) == 1).then(|| Self {
            tid: i32::try_from(get(1)).unwrap_or(0),
            mask: get(2),
            affinity_words: usize::try_from(get(3)).unwrap_or(0).min(AFFINITY_WORDS),
            affinity: std::array::from_fn(|nth| get(4 + nth)),
            registers: Registers(std::array::from_fn::<_, REGISTERS, _>(|nth| get(20 + nth))),
            scratch: (get(48), get(49)),
            parked: get(50),
            careful: get(51) == 1,
        })
    }
}

/// The memory, and the process that looks into it if this one dies.
#[derive(Debug)]
pub(crate) struct Rescue {
    words: SharedWords,
    _watchdog: Watchdog,
}

impl Rescue {
    pub(crate) fn start() -> io::Result<Self> {
        let words = SharedWords::new(MAX_THREADS * SLOT)?;
        let seen = &words;
        let watchdog = watchdog(|| rescue(seen))?;
        Ok(Self { words, _watchdog: watchdog })
    }

    /// Writes down the `nth` thread.
    pub(crate) fn hold(&self, nth: usize, held: &Held) {
        held.encode(self.slot(nth));
    }

    /// Writes down only where the `nth` thread, which still runs, was allowed to run.
    pub(crate) fn pin(&self, nth: usize, tid: i32, affinity: &[u64]) {
        let slot = self.slot(nth);
        let put = |at: usize, word: u64| slot[at].store(word, Ordering::Relaxed);
        put(1, u64::from(tid.cast_unsigned()));
        put(3, affinity.len() as u64);
        for (nth, word) in affinity.iter().enumerate() {
            put(4 + nth, *word);
        }
        slot[0].store(PINNED, Ordering::Release);
    }

    /// The `nth` thread has everything back.
    pub(crate) fn forget(&self, nth: usize) {
        self.slot(nth)[0].store(0, Ordering::Release);
    }

    fn slot(&self, nth: usize) -> &[AtomicU64] {
        &self.words.words()[nth * SLOT..(nth + 1) * SLOT]
    }
}

/// What the watchdog does. There is nobody to tell what fails: a thread that is gone needs nothing.
fn rescue(words: &SharedWords) {
    let held: Vec<Held> = words
        .words()
        .chunks(SLOT)
        .map_while(|slot| {
            // Slots are used in order, and may be forgotten again.
            (slot[1].load(Ordering::Relaxed) != 0).then(|| Held::decode(slot))
        })
        .flatten()
        .collect();
    for slot in words.words().chunks(SLOT).take_while(|slot| slot[1].load(Ordering::Relaxed) != 0) {
        if slot[0].load(Ordering::Acquire) == PINNED {
            let word = |at: usize| slot[at].load(Ordering::Relaxed);
            let count = usize::try_from(word(3)).unwrap_or(0).min(AFFINITY_WORDS);
            let words: Vec<u64> = (0..count).map(|nth| word(4 + nth)).collect();
            let _ = outlast_os::schedule::set_affinity(i32::try_from(word(1)).unwrap_or(0), &words);
        }
    }
    for held in &held {
        let _ = take(held.tid);
    }
    for held in &held {
        let _ = held.put_back();
    }
    for held in &held {
        let _ = trace::detach(held.tid, 0);
    }
}

fn take(tid: i32) -> io::Result<()> {
    trace::seize(tid, Seize::default())?;
    trace::interrupt(tid)?;
    loop {
        match trace::wait(tid, true)? {
            Some(Event::Stop(_)) | None => return Ok(()),
            Some(Event::Signal(signal)) => trace::go_on(tid, signal)?,
            Some(Event::Exited(_) | Event::Killed(_)) => {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Some(_) => trace::go_on(tid, 0)?,
        }
    }
}
