//! A process tree, stopped; and let go again, whatever happens.
//!
//! ```text
//!   stop ──▶ all threads of all processes in ptrace stops ──▶ hold: registers written down, signals
//!                                                                │   blocked, the loop in place
//!      thaw (or drop) ◀── collect, copy ◀────────────────────────┘
//!        │  └─▶ or kill
//!        ▼
//!   running as if nothing had happened
//! ```
//!
//! New threads and children appear while the others are being stopped: the lists are read again until
//! nothing new is there. A signal that was on its way when a thread stopped is handed on. What is
//! stopped by job control stays so.

use std::io;
use std::time::{Duration, Instant};

use outlast_os::foreign::{self, Span};
use outlast_os::trace::{self, Event, Registers, Seize};
use outlast_os::{schedule, trace as ptrace};

use crate::error::{CheckpointError, Doing};
use crate::proc::{Area, Proc, Stat, Status, parse_areas};
use crate::remote::Remote;
use crate::rescue::{self, AFFINITY_WORDS, Held, MAX_THREADS, PARK, Rescue};

/// Bytes mapped in each process for results of calls.
pub(crate) const SCRATCH: u64 = 64 * 1024;

/// Steps out of the vdso at most: its longest function takes some two hundred.
const MAX_STEPS: usize = 4096;

/// How often the list of processes is read again before a tree counts as one that grows without end.
const MAX_ROUNDS: usize = 64;

/// A thread that was brought to the tracer's processor.
struct Pinned {
    tid: i32,
    slot: usize,
    affinity: Vec<u64>,
}

/// Of a process with more threads only so many are brought to the tracer's processor: they make few calls each.
const WORTH_PINNING: usize = 64;

/// A thread that is stopped.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    pub(crate) held: Held,
    /// Its registers as they were when it stopped.
    pub(crate) found: Registers,
    /// Its place in the rescue's memory.
    slot: usize,
}

/// A process whose threads are stopped.
#[derive(Debug)]
pub(crate) struct StoppedProcess {
    pub(crate) pid: i32,
    /// An index into [`Frozen::processes`].
    pub(crate) parent: Option<usize>,
    /// Which of its parent's threads made it.
    pub(crate) parent_thread: usize,
    /// The leader first. Empty: a zombie.
    pub(crate) threads: Vec<Stopped>,
    /// The signal that stopped it before us.
    pub(crate) stopped_by: Option<i32>,
    pub(crate) status: Status,
    pub(crate) stat: Stat,
    pub(crate) areas: Vec<Area>,
    remote: Option<Remote>,
}

impl StoppedProcess {
    pub(crate) fn proc(&self) -> Proc {
        Proc { pid: self.pid }
    }

    /// Makes calls in its leader.
    pub(crate) fn remote(&self) -> &Remote {
        self.remote.as_ref().expect("set when it was held")
    }

    /// Makes calls in one of its threads.
    pub(crate) fn remote_in(&self, thread: &Stopped) -> Remote {
        Remote { tid: thread.held.tid, base: thread.held.registers, ..*self.remote() }
    }

    /// The memory for results.
    pub(crate) fn scratch(&self) -> u64 {
        self.threads.first().map_or(0, |thread| thread.held.scratch.0)
    }

    pub(crate) fn is_zombie(&self) -> bool {
        self.threads.is_empty()
    }
}

/// A stopped tree. Dropped, it goes on.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) processes: Vec<StoppedProcess>,
    /// When the first thread was asked to stop.
    pub(crate) since: Instant,
    rescue: Rescue,
    slots: usize,
    own_affinity: Option<Vec<u64>>,
}

impl Frozen {
    /// Stops a tree. `rescue` was started before, so that it costs nothing now.
    pub(crate) fn stop(
        root: i32,
        rescue: Rescue,
        patience: Duration,
    ) -> Result<Self, CheckpointError> {
        let mut frozen = Self {
            processes: Vec::new(),
            since: Instant::now(),
            rescue,
            slots: 0,
            own_affinity: None,
        };
        frozen.share_a_processor();
        frozen.stop_process(root, None, 0, patience)?;
        for _ in 0..MAX_ROUNDS {
            let before = frozen.processes.len();
            let mut at = 0;
            while at < frozen.processes.len() {
                for (child, thread) in frozen.children(at)? {
                    if frozen.processes.iter().all(|process| process.pid != child) {
                        match frozen.stop_process(child, Some(at), thread, patience) {
                            // It ended and was waited for by a parent that wasn't stopped yet.
                            Err(
                                CheckpointError::Ended(gone) | CheckpointError::NoProcess(gone),
                            ) if gone == child => {}
                            other => other?,
                        }
                    }
                }
                at += 1;
            }
            if frozen.processes.len() == before {
                return Ok(frozen);
            }
        }
        Err(CheckpointError::Stuck {
            pid: root,
            tid: root,
            waited_ms: millis(patience),
            what: "a tree that grows faster than it can be stopped".to_owned(),
        })
    }

    fn children(&self, at: usize) -> Result<Vec<(i32, usize)>, CheckpointError> {
        let process = &self.processes[at];
        let mut children = Vec::new();
        for (nth, thread) in process.threads.iter().enumerate() {
            let text = process
                .proc()
                .read(&format!("task/{}/children", thread.held.tid))
                .doing("listing the children", process.pid)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let pids = text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
            children.extend(pids.map(|pid| (pid, nth)));
        }
        Ok(children)
    }

    fn stop_process(
        &mut self,
        pid: i32,
        parent: Option<usize>,
        parent_thread: usize,
        patience: Duration,
    ) -> Result<(), CheckpointError> {
        let proc = Proc { pid };
        let mut seized: Vec<i32> = Vec::new();
        let mut pinned = Vec::new();
        let stopped = self.seize_all(proc, &mut seized, &mut pinned, patience);
        // Registered whatever came of it, so that whatever is ours is let go.
        let (status, stat) = match (proc.read("status"), proc.read("stat")) {
            (Ok(status), Ok(stat)) => (
                Status::parse(&status).doing("reading status", pid),
                Stat::parse(&stat).doing("reading stat", pid),
            ),
            (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                (Err(CheckpointError::NoProcess(pid)), Ok(Stat::default()))
            }
            (Err(error), _) | (_, Err(error)) => {
                (Err(error).doing("reading", pid), Ok(Stat::default()))
            }
        };
        let zombie = stat.as_ref().is_ok_and(|stat| stat.state == b'Z');
        if zombie && seized.is_empty() {
            self.processes.push(StoppedProcess {
                pid,
                parent,
                parent_thread,
                threads: Vec::new(),
                stopped_by: None,
                status: status?,
                stat: stat?,
                areas: Vec::new(),
                remote: None,
            });
            return Ok(());
        }
        let mut threads = Vec::with_capacity(seized.len());
        seized.sort_unstable_by_key(|tid| *tid != pid);
        for tid in seized {
            let (slot, words) = match pinned.iter().find(|pinned| pinned.tid == tid) {
                Some(pinned) => (pinned.slot, pinned.affinity.as_slice()),
                None => (self.next_slot(), &[][..]),
            };
            let registers = trace::registers(tid);
            let mask = trace::signal_mask(tid);
            let (Ok(registers), Ok(mask)) = (registers, mask) else {
                // Not stopped, or gone: it is let go when it stops.
                if !words.is_empty() {
                    let _ = schedule::set_affinity(tid, words);
                }
                release_unstopped(tid);
                continue;
            };
            let mut affinity = [0; AFFINITY_WORDS];
            affinity[..words.len()].copy_from_slice(words);
            let back = crate::dump::begin_again(pid, tid, registers, mask);
            let held = Held {
                tid,
                registers: back,
                mask,
                affinity,
                affinity_words: words.len(),
                scratch: (0, 0),
                at: 0,
                parked: 0,
                pid,
            };
            if back != registers {
                // At once: whatever becomes of us, the program doesn't see that its call was interrupted.
                let _ = trace::set_registers(tid, &back);
            }
            threads.push(Stopped { held, found: registers, slot });
        }
        let (stopped_by, problem) = match stopped {
            Ok(stopped_by) => (stopped_by, None),
            Err(error) => (None, Some(error)),
        };
        self.processes.push(StoppedProcess {
            pid,
            parent,
            parent_thread,
            threads,
            stopped_by,
            status: Status::default(),
            stat: Stat::default(),
            areas: Vec::new(),
            remote: None,
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
        let process = self.processes.last_mut().expect("just pushed");
        process.status = status?;
        process.stat = stat?;
        if process.threads.first().is_none_or(|leader| leader.held.tid != pid) {
            return Err(CheckpointError::Ended(pid));
        }
        Ok(())
    }

    /// Seizes all threads and waits until they stopped; answers the signal that had stopped them already.
    fn seize_all(
        &mut self,
        proc: Proc,
        seized: &mut Vec<i32>,
        pinned: &mut Vec<Pinned>,
        patience: Duration,
    ) -> Result<Option<i32>, CheckpointError> {
        let pid = proc.pid;
        loop {
            let threads = match proc.numbers("task") {
                Ok(threads) => threads,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(CheckpointError::NoProcess(pid));
                }
                Err(error) => return Err(error).doing("listing the threads", pid),
            };
            let before = seized.len();
            for tid in threads {
                if seized.contains(&tid) {
                    continue;
                }
                match trace::seize(tid, Seize::default()) {
                    Ok(()) => {}
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => continue,
                    Err(error) => {
                        // A zombie can't be seized.
                        let state = state_of(pid, tid);
                        if state == Some(b'Z') && tid == pid && seized.is_empty() {
                            return Ok(None);
                        }
                        return Err(denied(pid, tid, error));
                    }
                }
                seized.push(tid);
                if pinned.len() < WORTH_PINNING {
                    pinned.extend(self.pin(tid));
                }
                // Each takes one slot, here or below.
                if self.slots + seized.len() > MAX_THREADS {
                    return Err(CheckpointError::Image(outlast_image::ImageError::TooLarge {
                        what: "threads",
                        limit: MAX_THREADS as u64,
                        found: seized.len() as u64,
                    }));
                }
                trace::interrupt(tid).doing("stopping a thread", pid)?;
            }
            if seized.len() == before {
                break;
            }
        }
        let deadline = Instant::now() + patience;
        let mut stopped_by = None;
        let mut gone = Vec::new();
        for tid in seized.iter().copied() {
            match stop_of(pid, tid, deadline, patience)? {
                Some(libc::SIGTRAP) => {}
                Some(signal) => stopped_by = Some(signal),
                None => gone.push(tid),
            }
        }
        seized.retain(|tid| !gone.contains(tid));
        Ok(stopped_by)
    }

    /// Writes down what the threads of all living processes are, and prepares them to make calls for us.
    pub(crate) fn hold(&mut self) -> Result<(), CheckpointError> {
        for at in 0..self.processes.len() {
            if !self.processes[at].is_zombie() {
                self.hold_process(at)?;
            }
        }
        Ok(())
    }

    /// A call of a tracee on the tracer's own processor takes a tenth of the time.
    fn share_a_processor(&mut self) {
        let Ok(own) = schedule::affinity(0) else { return };
        if schedule::set_affinity(0, &this_processor()).is_ok() {
            self.own_affinity = Some(own);
        }
    }

    /// Brings a thread to the tracer's processor: where it was allowed to run before is written down first.
    fn pin(&mut self, tid: i32) -> Option<Pinned> {
        let affinity = schedule::affinity(tid).ok()?;
        if self.own_affinity.is_none() || affinity.len() > AFFINITY_WORDS {
            return None;
        }
        let slot = self.next_slot();
        self.rescue.pin(slot, tid, &affinity);
        if schedule::set_affinity(tid, &this_processor()).is_err() {
            self.rescue.forget(slot);
            return None;
        }
        Some(Pinned { tid, slot, affinity })
    }

    fn next_slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    /// The tracer may use all its processors again: for the copying.
    pub(crate) fn spread(&mut self) {
        if let Some(own) = self.own_affinity.take() {
            // It was ours a moment ago.
            let _ = schedule::set_affinity(0, &own);
        }
    }

    fn hold_process(&mut self, index: usize) -> Result<(), CheckpointError> {
        let process = &mut self.processes[index];
        let pid = process.pid;
        let proc = process.proc();
        let text = proc.read("smaps").doing("reading smaps", pid)?;
        process.areas = parse_areas(&text).doing("reading smaps", pid)?;
        let leader = process.threads[0].held.tid;
        let place = call_site(leader, &process.areas).doing("reading the vdso", pid)?;
        for thread in &process.threads {
            self.rescue.hold(thread.slot, &thread.held);
        }
        let stepped = self.leave_vdso(index)?;
        let process = &mut self.processes[index];
        let at = match place {
            CallSite::Free(at) => {
                for thread in &mut process.threads {
                    thread.held.parked = at;
                    self.rescue.hold(thread.slot, &thread.held);
                }
                for (nth, word) in PARK.iter().enumerate() {
                    ptrace::poke(leader, at + nth as u64 * 8, *word)
                        .doing("preparing the vdso", pid)?;
                }
                for thread in &process.threads {
                    trace::set_registers(thread.held.tid, &thread.held.asleep())
                        .doing("parking a thread", pid)?;
                }
                at
            }
            CallSite::Plain(at) => at,
            CallSite::None => {
                return Err(CheckpointError::Kernel {
                    doing: "looking for a system call instruction",
                    pid,
                    source: io::Error::other("the process has no vdso"),
                });
            }
        };
        for thread in &process.threads {
            trace::set_signal_mask(thread.held.tid, u64::MAX).doing("blocking signals", pid)?;
        }
        let base = process.threads[0].held.registers;
        let remote = Remote { tid: leader, base, at, careful: true };
        // At a place of our choice, written down before: it is found whenever we end.
        const MAP_FIXED_NOREPLACE: i32 = 0x10_0000;
        let (scratch, fixed) = match gap(&process.areas) {
            Some(place) => (place, MAP_FIXED_NOREPLACE),
            None => (0, 0),
        };
        process.threads[0].held.at = at;
        process.threads[0].held.scratch = (scratch, SCRATCH);
        self.rescue.hold(process.threads[0].slot, &process.threads[0].held);
        let scratch = remote
            .call(
                libc::SYS_mmap,
                &[
                    scratch,
                    SCRATCH,
                    bits(libc::PROT_READ | libc::PROT_WRITE),
                    bits(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | fixed),
                    u64::MAX,
                    0,
                ],
            )
            .doing("mapping memory for results", pid)?;
        process.threads[0].held.scratch = (scratch, SCRATCH);
        self.rescue.hold(process.threads[0].slot, &process.threads[0].held);
        process.remote = Some(remote);
        for nth in stepped {
            // Ends its stepping: it would outlive us, and nobody would catch its traps.
            let remote = process.remote_in(&process.threads[nth]);
            remote.call(libc::SYS_getpid, &[]).doing("ending steps", pid)?;
        }
        Ok(())
    }

    /// Lets threads that are in the vdso's code come out of it: another kernel's is another one. Answers which were stepped.
    ///
    /// A tracer that dies meanwhile takes the process along: a step that nobody waits for ends with a `SIGTRAP`. Few
    /// threads are there, for less than a microsecond each.
    fn leave_vdso(&mut self, index: usize) -> Result<Vec<usize>, CheckpointError> {
        let process = &mut self.processes[index];
        let pid = process.pid;
        let mut stepped = Vec::new();
        let Some(vdso) = process.areas.iter().find(|area| area.name == b"[vdso]") else {
            return Ok(stepped);
        };
        // What the program does with SIGTRAP itself must not meet with what steps do with it.
        const TRAP: u64 = 1 << (libc::SIGTRAP - 1);
        if (process.status.ignored | process.status.pending) & TRAP != 0 {
            return Ok(stepped);
        }
        let inside = |registers: &Registers| (vdso.start..vdso.end).contains(&registers.rip());
        for (nth, thread) in process.threads.iter_mut().enumerate() {
            // In a call, it will be made again, or come out, by itself.
            if thread.held.registers.in_call().is_some()
                || !inside(&thread.held.registers)
                || thread.held.mask & TRAP != 0
            {
                continue;
            }
            let tid = thread.held.tid;
            trace::set_signal_mask(tid, !TRAP).doing("blocking signals", pid)?;
            stepped.push(nth);
            let mut steps = 0;
            while inside(&thread.held.registers) && steps < MAX_STEPS {
                trace::step(tid).doing("leaving the vdso", pid)?;
                crate::remote::wait_soon(tid).doing("leaving the vdso", pid)?;
                thread.held.registers = trace::registers(tid).doing("leaving the vdso", pid)?;
                thread.found = thread.held.registers;
                steps += 1;
                // So that whoever puts them back puts them where it is.
                self.rescue.hold(thread.slot, &thread.held);
            }
        }
        Ok(stepped)
    }

    /// Lets everything go on as it was.
    ///
    /// Answers when that was: the first of them may run before this comes back.
    pub(crate) fn thaw(mut self) -> Result<Instant, CheckpointError> {
        self.let_go()
    }

    fn let_go(&mut self) -> Result<Instant, CheckpointError> {
        let mut problem = None;
        let processes = std::mem::take(&mut self.processes);
        for process in &processes {
            let mut threads: Vec<Held> = process.threads.iter().map(|thread| thread.held).collect();
            let write_down =
                |nth: usize, held: &Held| self.rescue.hold(process.threads[nth].slot, held);
            if let Err(error) = rescue::put_back(&mut threads, |_| true, write_down) {
                problem = problem.or(Some((process.pid, error)));
            }
            // The leader last: it is where the others' process begins.
            for thread in process.threads.iter().rev() {
                self.rescue.forget(thread.slot);
            }
        }
        let mut until = Instant::now();
        for process in &processes {
            for thread in &process.threads {
                until = Instant::now();
                match trace::detach(thread.held.tid, 0) {
                    Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
                        problem = problem.or(Some((process.pid, error)));
                    }
                    _ => {}
                }
            }
        }
        match problem {
            Some((pid, error)) => Err(error).doing("letting go", pid),
            None => Ok(until),
        }
    }

    /// Ends the tree, children first, without any of it running again. Each child is reaped by its parent, which is made to
    /// ask for it: so that ids are free, and nothing is left to a reaper.
    pub(crate) fn kill(mut self) {
        self.spread();
        let processes = std::mem::take(&mut self.processes);
        self.rescue.doom();
        for process in processes.iter().rev() {
            if !process.is_zombie()
                && let Ok(handle) = foreign::pidfd_open(process.pid)
            {
                use std::os::fd::AsFd;
                let killed = foreign::kill(handle.as_fd(), libc::SIGKILL);
                if killed.is_err_and(|error| error.raw_os_error() == Some(libc::EPERM)) {
                    // Another user's, and no CAP_KILL: it is made to end itself, as if it had been killed.
                    const KILLED: u64 = 128 + 9;
                    let _ = process.remote().start(libc::SYS_exit_group, &[KILLED]);
                }
            }
            // A leader's end is told only after its threads' ends were heard.
            for thread in process.threads.iter().rev() {
                // Where it stops once more on its way, it goes on.
                while let Ok(Some(event)) = trace::wait(thread.held.tid, true) {
                    if matches!(event, Event::Exited(_) | Event::Killed(_)) {
                        break;
                    }
                    let _ = trace::go_on(thread.held.tid, 0);
                }
                self.rescue.forget(thread.slot);
            }
            if let Some(parent) = process.parent.map(|parent| &processes[parent])
                && let Some(thread) = parent.threads.get(process.parent_thread)
            {
                let child = u64::from(process.status.pid.cast_unsigned());
                let asked = [child, 0, bits(libc::__WALL | libc::WNOHANG), 0];
                // Else it is a reaper's.
                let _ = parent.remote_in(thread).call(libc::SYS_wait4, &asked);
            }
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // An error on the way back has been told already, or there is nobody to tell.
        let _ = self.let_go();
    }
}

/// The processor that the caller is on, as a set.
fn this_processor() -> Vec<u64> {
    let mine = schedule::current_processor();
    let mut one = vec![0_u64; mine / 64 + 1];
    one[mine / 64] = 1 << (mine % 64);
    one
}

/// The highest place where nothing is mapped, with room for [`SCRATCH`].
fn gap(areas: &[Area]) -> Option<u64> {
    // Not beside a neighbour: a stack that grows down keeps others away.
    const AWAY: u64 = 4 << 20;
    let pairs = areas.iter().zip(areas.iter().skip(1)).rev();
    let mut roomy = pairs.filter(|(below, above)| above.start.saturating_sub(below.end) > 2 * AWAY);
    roomy.next().map(|(_, above)| above.start - AWAY)
}

enum CallSite {
    /// Room for the loop.
    Free(u64),
    /// An instruction, no room.
    Plain(u64),
    None,
}

/// Where in a process calls are made.
fn call_site(tid: i32, areas: &[Area]) -> io::Result<CallSite> {
    let Some(vdso) = areas.iter().find(|area| area.name == b"[vdso]") else {
        return Ok(CallSite::None);
    };
    let len = usize::try_from(vdso.end - vdso.start).expect("two pages");
    let mut code = vec![0; len];
    foreign::read(tid, &[Span { start: vdso.start, end: vdso.end }], &mut code)?;
    let room = PARK.len() * 8;
    if code[len - room..].iter().all(|byte| *byte == 0) {
        return Ok(CallSite::Free(vdso.end - room as u64));
    }
    Ok(crate::remote::find_syscall(&code)
        .map_or(CallSite::None, |at| CallSite::Plain(vdso.start + at)))
}

/// Waits until a thread stopped: the signal it reports, or `None` if it ended.
fn stop_of(
    pid: i32,
    tid: i32,
    deadline: Instant,
    patience: Duration,
) -> Result<Option<i32>, CheckpointError> {
    let mut turns = 0_u32;
    loop {
        match trace::wait(tid, false).doing("waiting for a thread to stop", pid)? {
            Some(Event::Stop(signal)) => return Ok(Some(signal)),
            // On its way already: it is delivered, and the thread stops right after.
            Some(Event::Signal(signal)) => {
                trace::go_on(tid, signal).doing("passing a signal on", pid)?
            }
            Some(Event::Exited(_) | Event::Killed(_)) => return Ok(None),
            Some(_) => trace::go_on(tid, 0).doing("passing an event on", pid)?,
            None => {
                turns += 1;
                if turns < 200 {
                    std::thread::yield_now();
                } else if Instant::now() < deadline {
                    std::thread::sleep(Duration::from_micros(200));
                } else {
                    let what = asleep_in(pid, tid);
                    return Err(CheckpointError::Stuck {
                        pid,
                        tid,
                        waited_ms: millis(patience),
                        what,
                    });
                }
            }
        }
    }
}

/// What a thread that doesn't stop is doing.
fn asleep_in(pid: i32, tid: i32) -> String {
    let read = |name: &str| {
        let text = Proc { pid }.read(&format!("task/{tid}/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    };
    let call = read("syscall").split(' ').next().and_then(|number| number.parse::<i64>().ok());
    match call {
        Some(libc::SYS_vfork) => "vfork, until its child executes a program or ends".to_owned(),
        // glibc's posix_spawn makes its children so.
        Some(libc::SYS_clone | libc::SYS_clone3) => {
            "clone with CLONE_VFORK, until its child executes a program or ends (vfork)".to_owned()
        }
        Some(number) => format!("system call {number}, {}", read("wchan")),
        None => read("wchan"),
    }
}

/// Detaches from a thread that was seized and can't be used: that works only once it stopped, which is what it does
/// next, so it is waited for in the background of whoever drops the tree; the kernel detaches at the
/// latest when this thread ends.
fn release_unstopped(tid: i32) {
    if let Ok(Some(_)) = trace::wait(tid, false) {
        let _ = trace::detach(tid, 0);
    }
}

fn state_of(pid: i32, tid: i32) -> Option<u8> {
    let text = Proc { pid }.read(&format!("task/{tid}/stat")).ok()?;
    Stat::parse(&text).ok().map(|stat| stat.state)
}

fn denied(pid: i32, tid: i32, error: io::Error) -> CheckpointError {
    let tracer = Proc { pid }
        .read(&format!("task/{tid}/status"))
        .ok()
        .and_then(|text| Status::parse(&text).ok())
        .map_or(0, |status| status.tracer);
    let why = if tracer != 0 {
        format!("it is being traced by process {tracer} already; end that first")
    } else {
        format!(
            "{error}; it needs CAP_SYS_PTRACE, or the same user and kernel.yama.ptrace_scope = 0"
        )
    };
    CheckpointError::Denied { pid, why }
}

/// Flags as a system call takes them.
pub(crate) fn bits(flags: i32) -> u64 {
    u64::from(flags.cast_unsigned())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Registers of a thread of 64-bit code.
pub(crate) fn is_64_bit(registers: &Registers) -> bool {
    registers.cs() == 0x33
}
