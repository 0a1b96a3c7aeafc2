//! Looks at answers: has each the right form, and which of them say the same?
//!
//! An answer's class depends on the classes that were there before, so two answers for one cell must not be looked at
//! side by side: the answers of a job are taken one after the other. Jobs don't wait for each other: a few
//! threads take [turns] with them, and a comparator that is slow holds up its own job alone. Agreement isn't
//! transitive where there is a tolerance: an answer is compared with the first of each class, in the order of the
//! classes, and belongs to the first of them that it agrees with ([`outlast_gridlet::compare`]). What a class says is kept
//! in memory while its cell is open; after a restart it is read from the journal.
//!
//! What waits is bounded by the coordinator: one answer for each cell that is out on a lease, one sample for each cell.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use outlast_gridlet::{CellOutput, ResultError, Sample};
use outlast_job::{Examined, Input, SampleOutcome};
use outlast_types::{CellId, JobId, wire};
use outlast_verify::Class;
use tracing::{error, warn};

use crate::jobs::{Jobs, JournalResults, SharedJournal, read_output};
use crate::kernel::{Event, Kernel};
use crate::store::Store;
use crate::tools::Tools;

mod turns;

use turns::Turns;

/// Classes of one cell; answers beyond are no result. As many different answers can't come before a cell is
/// given up ([`outlast_verify::Policy::max_answers`] is a `u8`).
const MAX_CLASSES: usize = 300;

/// Jobs whose answers are looked at side by side. More than cores, mostly: the slow comparators are programs, for
/// which a thread only waits; not many, as each may run one.
const THREADS: usize = 8;

/// What a sample gave here, next to what it was.
type Truth = (Sample, CellOutput);

/// What the examiner is asked.
pub(crate) enum Task {
    /// Check and class answers.
    Examine { job: JobId, ticket: u64, outputs: Vec<CellOutput> },
    /// Compare a sample with all classes of its cell.
    Compare { job: JobId, sample: Box<Sample>, truth: Result<CellOutput, String> },
    /// A cell is decided.
    Accepted { job: JobId, cell: CellId },
    /// A job is over.
    Forget { job: JobId },
}

impl Task {
    fn job(&self) -> JobId {
        match self {
            Self::Examine { job, .. }
            | Self::Compare { job, .. }
            | Self::Accepted { job, .. }
            | Self::Forget { job } => *job,
        }
    }
}

/// What is known of a job's open cells.
#[derive(Default)]
struct Known {
    classes: HashMap<CellId, Vec<CellOutput>>,
    truths: HashMap<CellId, Truth>,
}

/// Where tasks are put; when it is dropped, the threads end with what they do.
pub(crate) struct Tasks(Arc<Turns<JobId, Task, Known>>);

impl Tasks {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Turns::new()))
    }

    pub(crate) fn put(&self, task: Task) {
        self.0.put(task.job(), task);
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// If there can't be one.
    pub(crate) fn start(&self, examiner: &Examiner) -> std::io::Result<()> {
        for number in 0..THREADS {
            let (examiner, turns) = (examiner.clone(), Arc::clone(&self.0));
            let thread = std::thread::Builder::new().name(format!("examiner {number}"));
            thread.spawn(move || {
                while let Some((job, task, known)) = turns.take() {
                    turns.give_back(job, examiner.work(known, task));
                }
            })?;
        }
        Ok(())
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Examiner {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) journal: SharedJournal,
    pub(crate) store: Arc<Store>,
    pub(crate) tools: Arc<Tools>,
    pub(crate) kernel: Kernel,
}

/// Where the truth of a cell is kept across a restart.
pub(crate) fn truth_key(job: JobId, cell: CellId) -> String {
    format!("truth/{job}/{cell}")
}

impl Examiner {
    /// Does a task of a job, and hands back what is known of the job then, unless it is over.
    fn work(&self, mut known: Known, task: Task) -> Option<Known> {
        let job = task.job();
        match task {
            Task::Examine { job, ticket, outputs } => {
                let outputs = outputs.into_iter();
                let results = outputs.map(|output| self.examine(&mut known, job, output)).collect();
                self.kernel.tell(Event::Input(Input::Examined { job, ticket, results }));
            }
            Task::Compare { job, sample, truth } => {
                let cell = sample.cell;
                let compared = AssertUnwindSafe(|| {
                    truth.and_then(|truth| self.compare(&mut known, job, *sample, truth))
                });
                let outcome = catch_unwind(compared).unwrap_or_else(|_| {
                    error!(%job, %cell, "comparing a sample panicked");
                    Err("it can't be decoded".to_owned())
                });
                let outcome = outcome.unwrap_or_else(SampleOutcome::Unavailable);
                self.kernel.tell(Event::Input(Input::Sampled { job, cell, outcome }));
            }
            Task::Accepted { cell, .. } => {
                known.classes.remove(&cell);
                known.truths.remove(&cell);
            }
            Task::Forget { .. } => return None,
        }
        self.jobs.get(job).is_some_and(|job| !job.is_over()).then_some(known)
    }

    fn results(&self, job: JobId) -> Option<JournalResults> {
        let job = self.jobs.get(job).filter(|job| !job.is_over())?;
        let (journal, store) = (self.journal.clone(), self.store.clone());
        Some(JournalResults { job, journal, store, tools: self.tools.clone() })
    }

    fn examine(&self, known: &mut Known, job: JobId, output: CellOutput) -> (CellOutput, Examined) {
        let Some(results) = self.results(job) else {
            return (output, Examined::Unreadable("the job is over".to_owned()));
        };
        // Decoders meet bytes that somebody may have made to break them.
        let examined = catch_unwind(AssertUnwindSafe(|| self.classify(known, &results, &output)))
            .unwrap_or_else(|_| {
                error!(%job, cell = %output.cell, "checking an answer panicked");
                Ok(Examined::Invalid("it can't be decoded".to_owned()))
            })
            .unwrap_or_else(Examined::from);
        match &examined {
            Examined::Unreadable(why) => {
                warn!(%job, cell = %output.cell, "an answer can't be read: {why}");
            }
            Examined::Undecided(why) => {
                warn!(%job, cell = %output.cell, "an answer can't be compared: {why}");
            }
            Examined::Class { .. } | Examined::Invalid(_) => {}
        }
        (output, examined)
    }

    fn classify(
        &self,
        known: &mut Known,
        results: &JournalResults,
        output: &CellOutput,
    ) -> Result<Examined, ResultError> {
        let (cell, manager) = (output.cell, &results.job.manager);
        manager.check(output, results)?;
        self.load(known, results, cell)?;
        let refuted = match known.truths.get(&cell) {
            Some((sample, truth)) => !manager.matches_sample(sample, truth, output, results)?,
            None => false,
        };
        let classes = known.classes.entry(cell).or_default();
        for (class, other) in (0u16..).zip(classes.iter()) {
            if manager.agree(other, output, results)? {
                return Ok(Examined::Class { class: Class(class), new: false, refuted });
            }
        }
        if classes.len() >= MAX_CLASSES {
            return Err(ResultError::Invalid("one of too many different answers".to_owned()));
        }
        manager.admit(output, results)?;
        classes.push(output.clone());
        let class = Class((classes.len() - 1) as u16);
        if results.job.accepted(cell).is_some() {
            // Nothing more will be compared with it; the memory is for open cells.
            known.classes.remove(&cell);
        }
        Ok(Examined::Class { class, new: true, refuted })
    }

    /// Reads what the journal has of a cell, the first time that it is looked at in this life.
    fn load(
        &self,
        known: &mut Known,
        results: &JournalResults,
        cell: CellId,
    ) -> Result<(), ResultError> {
        let job = results.job.id;
        if known.classes.contains_key(&cell) {
            return Ok(());
        }
        if !results.job.recovered && results.job.accepted(cell).is_none() {
            known.classes.insert(cell, Vec::new());
            return Ok(());
        }
        let mut classes = Vec::new();
        while let Some(output) = read_output(&self.journal, job, cell, classes.len() as u16)? {
            classes.push(output);
        }
        known.classes.insert(cell, classes);
        let bytes = {
            let journal = self.journal.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            journal.meta(&truth_key(job, cell)).map_err(std::io::Error::other)?
        };
        if let Some(truth) = bytes.and_then(|bytes| wire::decode(&bytes, usize::MAX).ok()) {
            known.truths.insert(cell, truth);
        }
        Ok(())
    }

    fn compare(
        &self,
        known: &mut Known,
        job: JobId,
        sample: Sample,
        truth: CellOutput,
    ) -> Result<SampleOutcome, String> {
        let results = self.results(job).ok_or("the job is over")?;
        let cell = sample.cell;
        self.load(known, &results, cell).map_err(|error| error.to_string())?;
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for (class, answer) in (0u16..).zip(&known.classes[&cell]) {
            let agrees = results
                .job
                .manager
                .matches_sample(&sample, &truth, answer, &results)
                .map_err(|error| error.to_string())?;
            if agrees { right.push(Class(class)) } else { wrong.push(Class(class)) }
        }
        let truth = (sample, truth);
        match wire::encode(&truth, usize::MAX) {
            Ok(bytes) => self.kernel.tell(Event::Meta(truth_key(job, cell), Some(bytes))),
            Err(error) => warn!(%job, %cell, "keeping a sample: {error}"),
        }
        known.truths.insert(cell, truth);
        Ok(SampleOutcome::Compared { right, wrong })
    }
}
