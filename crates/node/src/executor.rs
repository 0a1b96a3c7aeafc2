//! Running the steps of other people's jobs, and collecting what they wrote.
//!
//! ```text
//!  run(Run) ─▶ queue ─▶ thread: make the folder ─▶ program ─▶ harvest ─▶ remove the folder ─▶ Ended
//!                                     │ watch: complete cells         │
//!                                     └────────▶ Cell … ◀─────────────┘
//!  kill(id) ───────────────▶ at any time: the process group dies, Ended(Killed) follows
//! ```
//!
//! [`LocalExecutor`] has a thread for each run that may go on at a time, not for each run: a
//! thread takes a run from the beginning to the end with blocking calls, which costs no hand-overs
//! and is what the parent-death signal wants (see [`outlast_os::process`]). Nothing here blocks
//! the caller.
//!
//! The program sees a folder of its own with the job's inputs, and nothing else is set up for it:
//! this is tidiness, not a sandbox.

mod folder;
mod harvest;
mod one;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outlast_gridlet::{CellOutput, InputMode, Step};
use outlast_os::Group;

pub use folder::{StagedInputs, clear_work_folder, remove_tree};
pub(crate) use one::DEFAULT_PATH;

use crate::store::{Holder, Store};

/// A run, by a number that its caller has not given to another one in this life of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// One run of a program.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// An absolute path that doesn't exist yet. It is made, and removed again.
    pub folder: PathBuf,
    /// What to run and what to collect.
    pub step: Step,
    /// The job's inputs.
    pub inputs: Arc<StagedInputs>,
    /// How they appear.
    pub mode: InputMode,
    /// No file that it writes may grow larger, in bytes.
    pub file_limit: u64,
    /// Nor all its files together; looked at from time to time.
    pub folder_limit: u64,
    /// Added to the nice level.
    pub nice: i32,
    /// Who needs its answers.
    pub holder: Holder,
}

/// News of a run.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// The answer for a cell. Its blobs are in the store, not synced.
    Cell {
        /// Of which run.
        run: RunId,
        /// The answer.
        output: CellOutput,
    },
    /// The run is over; exactly one for each run, and the last of its events.
    Ended {
        /// Which.
        run: RunId,
        /// How.
        outcome: RunOutcome,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// The program ended by itself. If the step's exit rule took the code for a failure, cells
    /// that were complete before may still have been shipped.
    Exited {
        /// 128 + n after signal n.
        code: i32,
        /// The last bytes of its standard error.
        stderr_tail: String,
    },
    /// There is no whole answer, and the program's exit code is not the reason.
    Failed {
        /// Why.
        reason: RunFailure,
    },
    /// [`Executor::kill`].
    Killed,
}

/// Why a run gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunFailure {
    /// Not installed, or not executable.
    #[error("no program `{0}` on this node")]
    MissingProgram(String),
    /// The folder or the process couldn't be set up.
    #[error("{0}")]
    Setup(String),
    /// No room, for the program or for us.
    #[error("disk full")]
    DiskFull,
    /// A file that the recipe names isn't there.
    #[error("the program ended with code {code} without writing `{path}`{}", tail_of(.stderr_tail))]
    OutputMissing {
        /// The file.
        path: String,
        /// The program's exit code.
        code: i32,
        /// The last bytes of its standard error.
        stderr_tail: String,
    },
    /// The program was ended because a file grew beyond the limit.
    #[error("a file grew beyond {0} bytes")]
    FileTooLarge(u64),
    /// The program was ended because its files together grew beyond the limit.
    #[error("its files together grew beyond {0} bytes")]
    FolderTooLarge(u64),
    /// A result can't be collected.
    #[error("{0}")]
    Harvest(String),
}

fn tail_of(stderr_tail: &str) -> String {
    match stderr_tail.trim_end() {
        "" => String::new(),
        tail => format!("; it said: {tail}"),
    }
}

/// Where news go. Called on the executor's threads; it may block them, for instance while the
/// daemon is behind.
pub type EventSink = Arc<dyn Fn(RunEvent) + Send + Sync>;

/// Who runs steps.
pub trait Executor: Send + Sync {
    /// Begins a run; returns at once.
    fn run(&self, run: Run, events: EventSink);

    /// Ends a run; [`RunEvent::Ended`] follows. Nothing happens if there is no such run.
    fn kill(&self, run: RunId);
}

/// What [`Executor::kill`] needs of a run.
#[derive(Debug, Default)]
struct Control {
    killed: AtomicBool,
    group: Mutex<Option<Group>>,
}

impl Control {
    fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        if let Some(group) = &*lock(&self.group) {
            group.kill();
        }
    }

    fn is_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// From now on `kill` reaches the process; also if it came before.
    fn started(&self, group: Group) {
        *lock(&self.group) = Some(group);
        if self.is_killed() {
            self.kill();
        }
    }
}

type Runs = Arc<Mutex<HashMap<RunId, Arc<Control>>>>;
type Job = (Run, Arc<Control>, EventSink);

/// Runs steps as processes of this machine. Dropping it kills what runs.
#[derive(Debug)]
pub struct LocalExecutor {
    runs: Runs,
    queue: Option<mpsc::Sender<Job>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl LocalExecutor {
    /// An executor of at most `parallel` runs at a time (at least 1); more wait in a queue that its caller keeps short.
    ///
    /// # Errors
    /// If the threads can't be started.
    pub fn new(store: Arc<Store>, parallel: usize) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        let runs = Runs::default();
        let thread = |number: usize| {
            let (jobs, runs, store) = (Arc::clone(&jobs), Arc::clone(&runs), Arc::clone(&store));
            let work = move || {
                loop {
                    let next = lock(&jobs).recv();
                    let Ok((run, control, events)) = next else { return };
                    let id = run.id;
                    // Results are decoded here, and whoever wrote them may not mean well: a panic
                    // must cost the run, not the thread.
                    let attempt = || one::run(&run, &control, &store, &events);
                    let outcome = std::panic::catch_unwind(AssertUnwindSafe(attempt));
                    let outcome = outcome.unwrap_or_else(|_| RunOutcome::Failed {
                        reason: RunFailure::Harvest("a result made the node stumble".to_owned()),
                    });
                    lock(&runs).remove(&id);
                    events(RunEvent::Ended { run: id, outcome });
                }
            };
            std::thread::Builder::new().name(format!("run-{number}")).spawn(work)
        };
        let threads = (0..parallel.max(1)).map(thread).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { runs, queue: Some(queue), threads })
    }
}

impl Executor for LocalExecutor {
    fn run(&self, run: Run, events: EventSink) {
        let control = Arc::new(Control::default());
        lock(&self.runs).insert(run.id, Arc::clone(&control));
        // The threads end only after the queue is gone, which goes with `self`.
        if let Some(queue) = &self.queue {
            let _ = queue.send((run, control, events));
        }
    }

    fn kill(&self, run: RunId) {
        let control = lock(&self.runs).get(&run).cloned();
        if let Some(control) = control {
            control.kill();
        }
    }
}

impl Drop for LocalExecutor {
    fn drop(&mut self) {
        self.queue = None;
        for control in lock(&self.runs).values() {
            control.kill();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
