//! Looks at answers: has each the right form, and which of them say the same?
//!
//! One thread for all jobs: an answer's class depends on the classes that were there before, so two
//! answers for one cell must not be looked at side by side. Agreement isn't transitive where there is a
//! tolerance: an answer is compared with the first of each class, in the order of the classes, and belongs to the
//! first of them that it agrees with ([`outlast_gridlet::compare`]). What a class says is kept in memory
//! while its cell is open; after a restart it is read from the journal.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use outlast_gridlet::{CellOutput, ResultError, Sample};
use outlast_job::{Examined, Input, SampleOutcome};
use outlast_types::{CellId, JobId, wire};
use outlast_verify::Class;
use tracing::{error, warn};

use crate::jobs::{Jobs, JournalResults, SharedJournal, read_output};
use crate::kernel::{Event, Kernel};
use crate::store::Store;
use crate::tools::Tools;

/// Classes of one cell; answers beyond are no result. As many different answers can't come before a cell is
/// given up ([`outlast_verify::Policy::max_answers`] is a `u8`).
const MAX_CLASSES: usize = 300;

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

/// See the module.
pub(crate) struct Examiner {
    jobs: Arc<Jobs>,
    journal: SharedJournal,
    store: Arc<Store>,
    tools: Arc<Tools>,
    kernel: Kernel,
    classes: HashMap<(JobId, CellId), Vec<CellOutput>>,
    truths: HashMap<(JobId, CellId), Truth>,
}

/// Where the truth of a cell is kept across a restart.
pub(crate) fn truth_key(job: JobId, cell: CellId) -> String {
    format!("truth/{job}/{cell}")
}

impl Examiner {
    pub(crate) fn new(
        jobs: Arc<Jobs>,
        journal: SharedJournal,
        store: Arc<Store>,
        tools: Arc<Tools>,
        kernel: Kernel,
    ) -> Self {
        Self {
            jobs,
            journal,
            store,
            tools,
            kernel,
            classes: HashMap::new(),
            truths: HashMap::new(),
        }
    }

    /// Works until the other end of the channel is gone.
    pub(crate) fn run(mut self, tasks: &Receiver<Task>) {
        while let Ok(task) = tasks.recv() {
            match task {
                Task::Examine { job, ticket, outputs } => {
                    let results = outputs.into_iter().map(|o| self.examine(job, o)).collect();
                    self.kernel.tell(Event::Input(Input::Examined { job, ticket, results }));
                }
                Task::Compare { job, sample, truth } => {
                    let cell = sample.cell;
                    let outcome = truth
                        .and_then(|truth| self.compare(job, *sample, truth))
                        .unwrap_or_else(SampleOutcome::Unavailable);
                    self.kernel.tell(Event::Input(Input::Sampled { job, cell, outcome }));
                }
                Task::Accepted { job, cell } => {
                    self.classes.remove(&(job, cell));
                    self.truths.remove(&(job, cell));
                }
                Task::Forget { job } => {
                    self.classes.retain(|(of, _), _| *of != job);
                    self.truths.retain(|(of, _), _| *of != job);
                }
            }
        }
    }

    fn results(&self, job: JobId) -> Option<JournalResults> {
        let job = self.jobs.get(job).filter(|job| !job.is_over())?;
        let (journal, store) = (self.journal.clone(), self.store.clone());
        Some(JournalResults { job, journal, store, tools: self.tools.clone() })
    }

    fn examine(&mut self, job: JobId, output: CellOutput) -> (CellOutput, Examined) {
        let Some(results) = self.results(job) else {
            return (output, Examined::Unreadable("the job is over".to_owned()));
        };
        // Decoders meet bytes that somebody may have made to break them.
        let examined = catch_unwind(AssertUnwindSafe(|| self.classify(&results, &output)))
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
        &mut self,
        results: &JournalResults,
        output: &CellOutput,
    ) -> Result<Examined, ResultError> {
        let (job, cell, manager) = (results.job.id, output.cell, &results.job.manager);
        manager.check(output, results)?;
        self.load(results, cell)?;
        let refuted = match self.truths.get(&(job, cell)) {
            Some((sample, truth)) => !manager.matches_sample(sample, truth, output, results)?,
            None => false,
        };
        let known = self.classes.entry((job, cell)).or_default();
        for (class, other) in (0u16..).zip(known.iter()) {
            if manager.agree(other, output, results)? {
                return Ok(Examined::Class { class: Class(class), new: false, refuted });
            }
        }
        if known.len() >= MAX_CLASSES {
            return Err(ResultError::Invalid("one of too many different answers".to_owned()));
        }
        manager.admit(output, results)?;
        known.push(output.clone());
        let class = Class((known.len() - 1) as u16);
        if results.job.accepted(cell).is_some() {
            // Nothing more will be compared with it; the memory is for open cells.
            self.classes.remove(&(job, cell));
        }
        Ok(Examined::Class { class, new: true, refuted })
    }

    /// Reads what the journal has of a cell, the first time that it is looked at in this life.
    fn load(&mut self, results: &JournalResults, cell: CellId) -> Result<(), ResultError> {
        let job = results.job.id;
        if self.classes.contains_key(&(job, cell)) {
            return Ok(());
        }
        if !results.job.recovered && results.job.accepted(cell).is_none() {
            self.classes.insert((job, cell), Vec::new());
            return Ok(());
        }
        let mut known = Vec::new();
        while let Some(output) = read_output(&self.journal, job, cell, known.len() as u16)? {
            known.push(output);
        }
        self.classes.insert((job, cell), known);
        let bytes = {
            let journal = self.journal.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            journal.meta(&truth_key(job, cell)).map_err(std::io::Error::other)?
        };
        if let Some(truth) = bytes.and_then(|bytes| wire::decode(&bytes, usize::MAX).ok()) {
            self.truths.insert((job, cell), truth);
        }
        Ok(())
    }

    fn compare(
        &mut self,
        job: JobId,
        sample: Sample,
        truth: CellOutput,
    ) -> Result<SampleOutcome, String> {
        let results = self.results(job).ok_or("the job is over")?;
        let cell = sample.cell;
        self.load(&results, cell).map_err(|error| error.to_string())?;
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for (class, answer) in (0u16..).zip(&self.classes[&(job, cell)]) {
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
        self.truths.insert((job, cell), truth);
        Ok(SampleOutcome::Compared { right, wrong })
    }
}
