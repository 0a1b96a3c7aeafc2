//! What a stopped thread was, kept where it survives the tracer.
//!
//! A tracer that is killed leaves its tracees in the middle of calls that they make for it, with
//! registers that aren't theirs. So, before the first of these calls, each thread's registers, signal
//! mask and processors are written down in memory shared with a watchdog process; and the `syscall`
//! instruction that is used is followed by a loop that does nothing but sleep:
//!
//! ```text
//!    0  0f 05            syscall                 written into the unused end of the vdso's last page,
//!    2  b8 22 00 00 00   mov  eax, 34 (pause)    which becomes the process's own copy; the zeros
//!    7  0f 05            syscall                 that were there are put back
//!    9  eb f7            jmp  2
//!   16  48 8b 03         mov  rax, [rbx]         the other way in: calls from a table, one after the other,
//!   19  48 8b 7b 08      mov  rdi, [rbx+8]       each answer in the place of its number
//!   23  48 8b 73 10      mov  rsi, [rbx+16]
//!   27  48 8b 53 18      mov  rdx, [rbx+24]
//!   31  4c 8b 53 20      mov  r10, [rbx+32]
//!   35  4c 8b 43 28      mov  r8, [rbx+40]
//!   39  0f 05            syscall
//!   41  48 89 03         mov  [rbx], rax
//!   44  48 83 c3 30      add  rbx, 48
//!   48  48 39 eb         cmp  rbx, rbp
//!   51  75 db            jne  16
//!   53  eb cb            jmp  2
//!   56  0f 05            syscall                 for `clone`: who made it sleeps, what was made ends,
//!   58  85 c0            test eax, eax           unless it is stopped before it gets there
//!   60  75 c4            jnz  2
//!   62  b8 e7 00 00 00   mov  eax, 231 (exit_group)
//!   67  31 ff            xor  edi, edi
//!   69  0f 05            syscall
//! ```
//!
//! All threads get registers that sleep there before anything else is done to them: one whose tracer dies sleeps there, all
//! signals blocked, until the watchdog has seized it, given back what it had, and let it go. A thread that isn't found there
//! runs with registers of its own, that are newer than those written down: they stay. Letting go without an
//! accident is the same code.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use outlast_os::shared::{SharedWords, Watchdog, watchdog};
use outlast_os::trace::{self, Event, REGISTERS, Registers, Seize};

use crate::remote::Remote;
use crate::terminal;

/// Threads of a tree at most: as many as the shared memory has room for.
pub(crate) const MAX_THREADS: usize = 32 * 1024;

/// Processors that an affinity can name here; more are not restricted again.
pub(crate) const AFFINITY_WORDS: usize = 16;

const SLOT: usize = 64;

/// Where it is written down what is taken out of a terminal.
const TERMINAL: usize = (1 + MAX_THREADS) * SLOT;

/// A slot of a thread that was only moved to another processor; 1 is one that is held, 0 an empty one.
const PINNED: u64 = 2;

/// A slot of a copy of a process: the process is to reap it.
const COPY: u64 = 3;

/// The loop, as the words that are poked.
pub(crate) const PARK: [u64; 9] = [
    u64::from_le_bytes([0x0f, 0x05, 0xb8, 0x22, 0, 0, 0, 0x0f]),
    u64::from_le_bytes([0x05, 0xeb, 0xf7, 0x90, 0x90, 0x90, 0x90, 0x90]),
    u64::from_le_bytes([0x48, 0x8b, 0x03, 0x48, 0x8b, 0x7b, 0x08, 0x48]),
    u64::from_le_bytes([0x8b, 0x73, 0x10, 0x48, 0x8b, 0x53, 0x18, 0x4c]),
    u64::from_le_bytes([0x8b, 0x53, 0x20, 0x4c, 0x8b, 0x43, 0x28, 0x0f]),
    u64::from_le_bytes([0x05, 0x48, 0x89, 0x03, 0x48, 0x83, 0xc3, 0x30]),
    u64::from_le_bytes([0x48, 0x39, 0xeb, 0x75, 0xdb, 0xeb, 0xcb, 0x90]),
    u64::from_le_bytes([0x0f, 0x05, 0x85, 0xc0, 0x75, 0xc4, 0xb8, 0xe7]),
    u64::from_le_bytes([0, 0, 0, 0x31, 0xff, 0x0f, 0x05, 0x90]),
];

/// Where in it calls from a table are made.
pub(crate) const ROUNDS: u64 = 16;

/// Where in it processes are made.
pub(crate) const FORK: u64 = 56;

/// A thread as it was when it was stopped, and what has been done to its process since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) tid: i32,
    pub(crate) registers: Registers,
    pub(crate) mask: u64,
    pub(crate) affinity: [u64; AFFINITY_WORDS],
    pub(crate) affinity_words: usize,
    /// Memory that is mapped for results: address and length. Of the first thread alone.
    pub(crate) scratch: (u64, u64),
    /// The `syscall` instruction that it makes calls with.
    pub(crate) at: u64,
    /// Where [`PARK`] was written; 0: there was no room.
    pub(crate) parked: u64,
    /// Its process.
    pub(crate) pid: i32,
}

/// What `SIGKILL` and `SIGSTOP` are in a mask: they can't be blocked.
const NEVER_BLOCKED: u64 = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);

impl Held {
    /// Registers that sleep in the loop.
    pub(crate) fn asleep(&self) -> Registers {
        let mut registers = self.registers;
        registers.set_call(self.parked + 2, 0, [0; 6]);
        registers
    }

    /// Whether registers are those of the loop: not the thread's own.
    fn is_in_loop(&self, registers: &Registers) -> bool {
        let room = (PARK.len() * 8) as u64;
        self.parked != 0 && registers.rip().wrapping_sub(self.parked) < room
    }

    fn give_back(&self, ours: bool) -> io::Result<()> {
        if ours {
            trace::set_registers(self.tid, &self.registers)?;
        }
        // A thread that ran on with its own registers and the mask of ours was about to get its own.
        if ours
            || trace::signal_mask(self.tid)? | NEVER_BLOCKED | 1 << (libc::SIGTRAP - 1) == u64::MAX
        {
            trace::set_signal_mask(self.tid, self.mask)?;
        }
        Ok(())
    }
}

/// Puts everything of a process back: it can be let go then. `ours` says of which threads the registers
/// aren't their own; `write_down` keeps what is known about a thread true at each step, so that somebody else can go on after it.
///
/// The order is what matters. The memory goes while all threads still sleep in the loop; each thread gets registers and
/// mask together; the loop goes when nobody is in it any more.
pub(crate) fn put_back(
    threads: &mut [Held],
    ours: impl Fn(&Held) -> bool,
    write_down: impl Fn(usize, &Held),
) -> io::Result<()> {
    let mut problem = None;
    // A thread that is gone needs nothing, and the others still do.
    let mut note = |result: io::Result<()>| match result {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
            problem.get_or_insert(error);
        }
        _ => {}
    };
    if let Some(leader) = threads.first_mut()
        && leader.scratch.0 != 0
        && ours(leader)
    {
        let (tid, base) = (leader.tid, leader.registers);
        let remote = Remote { tid, base, at: leader.at, rounds: 0, careful: true };
        note(remote.call(libc::SYS_munmap, &[leader.scratch.0, leader.scratch.1]).map(drop));
        leader.scratch = (0, 0);
        write_down(0, leader);
    }
    for held in threads.iter() {
        note(held.give_back(ours(held)));
        if held.affinity_words > 0 {
            let words = &held.affinity[..held.affinity_words];
            note(outlast_os::schedule::set_affinity(held.tid, words));
        }
    }
    if let Some(held) = threads.first().filter(|held| held.parked != 0) {
        for (nth, _) in PARK.iter().enumerate() {
            note(trace::poke(held.tid, held.parked + nth as u64 * 8, 0));
        }
    }
    problem.map_or(Ok(()), Err)
}

impl Held {
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
        put(51, u64::from(self.pid.cast_unsigned()));
        put(52, self.at);
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
            pid: i32::try_from(get(51)).unwrap_or(0),
            at: get(52),
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
        let words = SharedWords::new(TERMINAL + terminal::NOTE)?;
        let seen = &words;
        let watchdog = watchdog(|| rescue(seen))?;
        Ok(Self { words, _watchdog: watchdog })
    }

    /// Writes down the `nth` thread.
    pub(crate) fn hold(&self, nth: usize, held: &Held) {
        held.encode(self.slot(nth));
        self.used(nth);
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
        self.used(nth);
    }

    /// Writes down that a process is to reap a copy of it: 0, if that is only about to be made, not before `since`
    /// (hundredths of a second since the machine began).
    pub(crate) fn copied(&self, nth: usize, of: i32, copy: i32, since: u64) {
        let slot = self.slot(nth);
        slot[1].store(u64::from(copy.cast_unsigned()), Ordering::Relaxed);
        slot[2].store(since, Ordering::Relaxed);
        slot[51].store(u64::from(of.cast_unsigned()), Ordering::Relaxed);
        slot[0].store(COPY, Ordering::Release);
        self.used(nth);
    }

    /// The `nth` thread has everything back, or is gone.
    pub(crate) fn forget(&self, nth: usize) {
        self.slot(nth)[0].store(0, Ordering::Release);
    }

    /// From now on whoever is written down is to end, whatever happens: its image is safe.
    pub(crate) fn doom(&self) {
        self.words.words()[0].store(1, Ordering::Release);
    }

    /// Where what is taken out of a terminal is written down.
    pub(crate) fn terminal(&self) -> terminal::Note<'_> {
        terminal::Note::at(&self.words, TERMINAL)
    }

    /// How many slots the watchdog has to look at.
    fn used(&self, nth: usize) {
        self.words.words()[1].fetch_max(nth as u64 + 1, Ordering::AcqRel);
    }

    fn slot(&self, nth: usize) -> &[AtomicU64] {
        // The first has room for what concerns all.
        let start = (1 + nth) * SLOT;
        &self.words.words()[start..start + SLOT]
    }
}

/// What the watchdog does. There is nobody to tell what fails: a thread that is gone needs nothing.
fn rescue(words: &SharedWords) {
    // Before anybody who would read it can run.
    terminal::mend(terminal::Note::at(words, TERMINAL));
    let (all, slots) = words.words().split_at(SLOT);
    let used = usize::try_from(all[1].load(Ordering::Acquire)).unwrap_or(0).min(slots.len() / SLOT);
    let slots = &slots[..used * SLOT];
    let mut processes: Vec<Vec<Held>> = Vec::new();
    for slot in slots.chunks(SLOT) {
        if slot[0].load(Ordering::Acquire) == PINNED {
            let word = |at: usize| slot[at].load(Ordering::Relaxed);
            let count = usize::try_from(word(3)).unwrap_or(0).min(AFFINITY_WORDS);
            let words: Vec<u64> = (0..count).map(|nth| word(4 + nth)).collect();
            let _ = outlast_os::schedule::set_affinity(i32::try_from(word(1)).unwrap_or(0), &words);
        }
        let Some(held) = Held::decode(slot) else { continue };
        match processes.iter_mut().find(|process| process[0].pid == held.pid) {
            // The leader first.
            Some(process) if held.tid == held.pid => process.insert(0, held),
            Some(process) => process.push(held),
            None => processes.push(vec![held]),
        }
    }
    if all[0].load(Ordering::Acquire) == 1 {
        for process in processes.iter().rev() {
            end(process[0].pid);
        }
        return;
    }
    for process in &mut processes {
        process.retain(|held| take(held.tid).is_ok());
        let mut parked = Vec::new();
        let pid = process.first().map_or(0, |held| held.pid);
        for held in process.iter() {
            let Ok(now) = trace::registers(held.tid) else { continue };
            if held.is_in_loop(&now) {
                parked.push(held.tid);
                continue;
            }
            let back = crate::dump::begin_again(pid, held.tid, now, held.mask);
            if back != now {
                let _ = trace::set_registers(held.tid, &back);
            }
        }
        let _ = put_back(process, |held| parked.contains(&held.tid), |_, _| {});
    }
    for held in processes.iter().flatten() {
        let _ = trace::detach(held.tid, 0);
    }
    for slot in slots.chunks(SLOT) {
        if slot[0].load(Ordering::Acquire) == COPY {
            let id = |at: usize| i32::try_from(slot[at].load(Ordering::Relaxed)).unwrap_or(0);
            let _ = crate::freeze::reap_in(id(51), id(1), slot[2].load(Ordering::Relaxed));
        }
    }
}

fn end(pid: i32) {
    use std::os::fd::AsFd;
    if let Ok(handle) = outlast_os::foreign::pidfd_open(pid) {
        let _ = outlast_os::foreign::kill(handle.as_fd(), libc::SIGKILL);
    }
}

/// Stops a thread. A dying tracer closes its files, which is how its death is heard of, before it lets its tracees
/// go: so they may still be somebody's for a moment.
pub(crate) fn take(tid: i32) -> io::Result<()> {
    const MOMENT: Duration = Duration::from_secs(10);
    let deadline = Instant::now() + MOMENT;
    while let Err(error) = trace::seize(tid, Seize::default()) {
        if error.raw_os_error() != Some(libc::EPERM) || Instant::now() > deadline {
            return Err(error);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
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
