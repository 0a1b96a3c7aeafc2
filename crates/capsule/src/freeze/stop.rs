//! Stopping: every thread of every process.
//!
//! New threads and children appear while the others are being stopped: the lists are read again until
//! nothing new is there. A signal that was on its way when a thread stopped is handed on.
//!
//! Threads are brought to the tracer's processor, as a call that is made in them costs a tenth there.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outlast_os::schedule;
use outlast_os::trace::{self, Event, Seize};

use super::{Frozen, Stopped, StoppedProcess};
use crate::error::{CheckpointError, Doing};
use crate::proc::{Proc, Stat, Status};
use crate::rescue::{AFFINITY_WORDS, Held, MAX_THREADS, Rescue};

/// A thread that was brought to the tracer's processor.
struct Pinned {
    tid: i32,
    slot: usize,
    affinity: Vec<u64>,
}

/// Of a process with more threads only so many are brought to the tracer's processor: they make few calls each.
const WORTH_PINNING: usize = 64;

/// Which threads of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    All,
    Leader,
}

/// How often the list of processes is read again before a tree counts as one that grows without end.
const MAX_ROUNDS: usize = 64;

impl Frozen {
    /// Stops a tree. `rescue` was started before, so that it costs nothing now.
    pub(crate) fn stop(
        root: i32,
        rescue: Rescue,
        patience: Duration,
    ) -> Result<Self, CheckpointError> {
        let mut frozen = Self::nothing(Arc::new(rescue), 0, patience);
        frozen.share_a_processor();
        frozen.stop_first(root, Whose::All)?;
        for _ in 0..MAX_ROUNDS {
            let before = frozen.processes.len();
            let mut at = 0;
            while at < frozen.processes.len() {
                for (child, thread) in frozen.children(at)? {
                    if frozen.processes.iter().all(|process| process.pid != child) {
                        match frozen.stop_process(child, Some(at), thread, Whose::All) {
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
            let pids = process.proc().children(thread.held.tid);
            let pids = pids.doing("listing the children", process.pid)?;
            children.extend(pids.into_iter().map(|pid| (pid, nth)));
        }
        Ok(children)
    }

    /// Stops the first thread of a process.
    pub(super) fn stop_leader(&mut self, pid: i32) -> Result<(), CheckpointError> {
        self.share_a_processor();
        self.stop_first(pid, Whose::Leader)
    }

    /// Stops a process that has to be alive.
    fn stop_first(&mut self, pid: i32, whose: Whose) -> Result<(), CheckpointError> {
        self.stop_process(pid, None, 0, whose)?;
        if self.processes[0].is_zombie() {
            return Err(CheckpointError::Ended(pid));
        }
        Ok(())
    }

    fn stop_process(
        &mut self,
        pid: i32,
        parent: Option<usize>,
        parent_thread: usize,
        whose: Whose,
    ) -> Result<(), CheckpointError> {
        let proc = Proc { pid };
        let mut seized: Vec<i32> = Vec::new();
        let mut pinned = Vec::new();
        let stopped = self.seize_all(proc, &mut seized, &mut pinned, whose);
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
        whose: Whose,
    ) -> Result<Option<i32>, CheckpointError> {
        let pid = proc.pid;
        let patience = self.patience;
        loop {
            let threads = match proc.numbers("task") {
                Ok(_) if whose == Whose::Leader => vec![pid],
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
                        // What ends, or has ended, can't be seized.
                        match state_of(pid, tid) {
                            Some(b'Z') if tid == pid && seized.is_empty() => return Ok(None),
                            Some(b'Z' | b'X') | None if tid != pid => continue,
                            _ => return Err(denied(pid, tid, error)),
                        }
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

    /// A call of a tracee on the tracer's own processor takes a tenth of the time.
    fn share_a_processor(&mut self) {
        let Ok(own) = schedule::affinity(0) else { return };
        if schedule::set_affinity(0, &schedule::only(schedule::current_processor())).is_ok() {
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
        if schedule::set_affinity(tid, &schedule::only(schedule::current_processor())).is_err() {
            self.rescue.forget(slot);
            return None;
        }
        Some(Pinned { tid, slot, affinity })
    }

    pub(super) fn next_slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }
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

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
