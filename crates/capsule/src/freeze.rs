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
//! What is stopped by job control stays so.

mod copies;
mod hold;
mod stop;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outlast_os::foreign::{self, Span};
use outlast_os::schedule;
use outlast_os::trace::{self, Event, Registers};

pub(crate) use copies::{Copies, reap_in};

use crate::error::{CheckpointError, Doing};
use crate::proc::{Area, Proc, Stat, Status};
use crate::remote::{self, Call, Remote};
use crate::rescue::{self, Held, Rescue};

/// Bytes mapped in each process for results of calls.
pub(crate) const SCRATCH: u64 = 64 * 1024;

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

    /// The memory for results: its first half; the other is for tables of calls.
    pub(crate) fn scratch(&self) -> u64 {
        self.threads.first().map_or(0, |thread| thread.held.scratch.0)
    }

    /// Makes calls in its leader, at once: their answers, and of the memory for results the first `len` bytes.
    pub(crate) fn ask(&self, calls: Vec<Call>, len: u64) -> io::Result<(Vec<i64>, Vec<u8>)> {
        let (mut answers, bytes) = self.ask_threads(vec![(*self.remote(), calls)], len)?;
        Ok((answers.swap_remove(0), bytes))
    }

    /// The same in several threads, each its own calls.
    pub(crate) fn ask_threads(
        &self,
        jobs: Vec<(Remote, Vec<Call>)>,
        len: u64,
    ) -> io::Result<(Vec<Vec<i64>>, Vec<u8>)> {
        let scratch = self.scratch();
        let table = Span { start: scratch + SCRATCH / 2, end: scratch + SCRATCH };
        let answers = remote::batch(self.pid, &jobs, table)?;
        let mut bytes = vec![0; usize::try_from(len).expect("small")];
        foreign::read(self.pid, &[Span { start: scratch, end: scratch + len }], &mut bytes)?;
        Ok((answers, bytes))
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
    rescue: Arc<Rescue>,
    slots: usize,
    patience: Duration,
    own_affinity: Option<Vec<u64>>,
}

impl Frozen {
    fn nothing(rescue: Arc<Rescue>, slots: usize, patience: Duration) -> Self {
        let processes = Vec::new();
        Self { processes, since: Instant::now(), rescue, slots, patience, own_affinity: None }
    }

    /// The tracer may use all its processors again: for the copying.
    pub(crate) fn spread(&mut self) {
        if let Some(own) = self.own_affinity.take() {
            // It was ours a moment ago.
            let _ = schedule::set_affinity(0, &own);
        }
    }

    /// Where what is taken out of a terminal for a moment is written down.
    pub(crate) fn terminal_note(&self) -> crate::terminal::Note<'_> {
        self.rescue.terminal()
    }

    /// Lets everything go on as it was.
    ///
    /// Answers when that was: the first of them may run before this comes back.
    pub(crate) fn thaw(mut self) -> Result<Instant, CheckpointError> {
        let until = self.let_go();
        self.spread();
        until
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

/// Flags as a system call takes them.
pub(crate) fn bits(flags: i32) -> u64 {
    u64::from(flags.cast_unsigned())
}

/// Registers of a thread of 64-bit code.
pub(crate) fn is_64_bit(registers: &Registers) -> bool {
    registers.cs() == 0x33
}
