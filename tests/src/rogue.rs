//! The executor of a node that can't be relied on.
//!
//! It runs what it is given like any other node, and then changes the answers, loses them, or crashes. So the
//! whole protocol around it is real, and others can only tell by what they check.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outlast_gridlet::CellOutput;
use outlast_node::executor::{EventSink, Executor, Run, RunEvent, RunId, RunOutcome};

mod lie;

pub use lie::Lie;
use lie::{Blobs, mix};

/// What is wrong with the node; all of it may be at a time.
#[derive(Clone, Debug, Default)]
pub struct Vices {
    /// What it does to answers.
    pub lie: Option<Lie>,
    /// Share of the answers that it does that to, 0 to 1.
    pub share: f64,
    /// Every run fails.
    pub fail: bool,
    /// No run ends.
    pub hang: bool,
    /// The process aborts during this run, counted from 1.
    pub crash_after: Option<u64>,
    /// Every run begins so much later.
    pub slow: Duration,
}

/// Runs steps, badly.
pub struct Rogue {
    vices: Vices,
    honest: Arc<dyn Executor>,
    blobs: Blobs,
    runs: AtomicU64,
    answers: Arc<AtomicU64>,
    /// Of runs that are held back or hang, those that somebody wants ended.
    killed: Arc<Mutex<BTreeSet<RunId>>>,
    hanging: Mutex<Vec<(RunId, EventSink)>>,
}

impl Rogue {
    /// Around an honest executor of the node with this data directory.
    pub fn new(vices: Vices, honest: Arc<dyn Executor>, data_dir: PathBuf) -> Self {
        Self {
            vices,
            honest,
            blobs: Blobs::new(data_dir),
            runs: AtomicU64::new(0),
            answers: Arc::default(),
            killed: Arc::default(),
            hanging: Mutex::default(),
        }
    }

    /// Passes events on, answers changed.
    fn corrupting(&self, lie: Lie, events: EventSink) -> EventSink {
        let (share, blobs, answers) =
            (self.vices.share, self.blobs.clone(), Arc::clone(&self.answers));
        Arc::new(move |event| {
            let RunEvent::Cell { run, output } = event else { return events(event) };
            // The share is of numbers that look random and are the same in each run of a test.
            let dice = mix(answers.fetch_add(1, Ordering::Relaxed)) as f64 / u64::MAX as f64;
            let output: CellOutput = if dice < share { lie.tell(output, &blobs) } else { output };
            events(RunEvent::Cell { run, output });
        })
    }
}

impl Executor for Rogue {
    fn run(&self, run: Run, events: EventSink) {
        let number = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        let id = run.id;
        if self.vices.hang {
            locked(&self.hanging).push((id, events));
            return;
        }
        if self.vices.fail {
            let stderr_tail = "rogue: this node fails".to_owned();
            let outcome = RunOutcome::Failed {
                reason: outlast_node::executor::RunFailure::Harvest(stderr_tail),
            };
            // Not from here: nobody expects an answer before the call is over.
            std::thread::spawn(move || events(RunEvent::Ended { run: id, outcome }));
            return;
        }
        let events = match self.vices.lie {
            Some(lie) => self.corrupting(lie, events),
            None => events,
        };
        let crash = self.vices.crash_after == Some(number);
        if self.vices.slow.is_zero() && !crash {
            return self.honest.run(run, events);
        }
        let (honest, killed, slow) =
            (Arc::clone(&self.honest), Arc::clone(&self.killed), self.vices.slow);
        std::thread::spawn(move || {
            std::thread::sleep(slow);
            if locked(&killed).remove(&id) {
                return events(RunEvent::Ended { run: id, outcome: RunOutcome::Killed });
            }
            let folder = run.folder.clone();
            honest.run(run, events);
            if crash {
                // In the middle of it: its folder is there.
                while !folder.exists() {
                    std::thread::yield_now();
                }
                std::process::abort();
            }
        });
    }

    fn kill(&self, run: RunId) {
        let mut hanging = locked(&self.hanging);
        if let Some(at) = hanging.iter().position(|(id, _)| *id == run) {
            let (_, events) = hanging.swap_remove(at);
            std::thread::spawn(move || {
                events(RunEvent::Ended { run, outcome: RunOutcome::Killed });
            });
            return;
        }
        if !self.vices.slow.is_zero() {
            locked(&self.killed).insert(run);
        }
        self.honest.kill(run);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
