//! One simulated machine: what of it survives a crash, what doesn't, and its examiner.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use outlast_gridlet::{ApplicationManager, Blobs, CellOutput, Needs, ResultError, Results, Sample};
use outlast_job::{Examined, JobKey, JobSpec, Peer, RunId, SampleOutcome};
use outlast_overlay::Card;
use outlast_types::{Attempt, CellId, Hash, JobId, NodeId, Time};
use outlast_verify::{Class, Ledger};

use crate::app::Toy;
use crate::scenario::NodePlan;

/// A job at its submitter, as it is on disk.
pub(crate) struct JobDisk {
    pub(crate) spec: Arc<JobSpec>,
    pub(crate) toy: Arc<Toy>,
    /// Encoded records.
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) outputs: BTreeMap<(CellId, Class), CellOutput>,
    pub(crate) truths: BTreeMap<CellId, (Sample, CellOutput)>,
    /// The merged output.
    pub(crate) written: Option<Vec<u8>>,
}

/// What survives a crash.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) jobs: BTreeMap<JobId, JobDisk>,
    pub(crate) ledger: Ledger,
    pub(crate) members: Vec<Card>,
    pub(crate) blobs: Shelf,
}

/// A blob store.
#[derive(Default)]
pub(crate) struct Shelf(pub(crate) BTreeMap<Hash, Vec<u8>>);

impl Blobs for Shelf {
    fn read(&self, hash: &Hash) -> io::Result<Vec<u8>> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("no blob {hash:?}"));
        self.0.get(hash).cloned().ok_or_else(missing)
    }
}

/// What to look at.
pub(crate) enum Task {
    Examine { job: JobId, ticket: u64, outputs: Vec<CellOutput> },
    Compare { job: JobId, sample: Box<Sample>, truth: CellOutput },
    Accepted { job: JobId, cell: CellId },
    Forget { job: JobId },
}

/// Inputs of a job that are laid out.
#[derive(Debug, Default)]
pub(crate) struct Laid {
    all: bool,
    names: BTreeSet<String>,
}

impl Laid {
    pub(crate) fn add(&mut self, needs: Needs) {
        match needs {
            Needs::All => self.all = true,
            Needs::Only(names) => self.names.extend(names),
        }
    }

    pub(crate) fn covers(&self, needs: &Needs) -> bool {
        match needs {
            Needs::All => self.all,
            Needs::Only(names) => self.all || names.iter().all(|name| self.names.contains(name)),
        }
    }
}

/// What a crash takes.
#[derive(Default)]
pub(crate) struct Volatile {
    pub(crate) accepted: BTreeMap<JobId, BTreeMap<CellId, Class>>,
    pub(crate) staged: BTreeMap<JobKey, Laid>,
    /// Being laid out; the number tells an old one from a new one.
    pub(crate) staging: BTreeMap<(JobKey, Attempt), (u64, Needs)>,
    pub(crate) runs: BTreeSet<RunId>,
    pub(crate) tasks: VecDeque<Task>,
    /// When the examiner is through with all its tasks.
    pub(crate) busy_until: Time,
    pub(crate) classes: BTreeMap<(JobId, CellId), Vec<CellOutput>>,
    pub(crate) merging: BTreeSet<JobId>,
}

/// When the next crash hits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doom {
    /// The machine is set up anew after this.
    pub(crate) back: Option<std::time::Duration>,
}

/// One machine.
pub(crate) struct Host {
    pub(crate) id: NodeId,
    /// Nodes that it knows to be expelled; on its disk.
    pub(crate) barred: BTreeSet<NodeId>,
    pub(crate) plan: NodePlan,
    /// How often it was started; what belongs to an earlier life is void.
    pub(crate) life: u64,
    /// It is up.
    pub(crate) peer: Option<Peer>,
    pub(crate) tick: Time,
    pub(crate) disk: Disk,
    pub(crate) volatile: Volatile,
    /// It dies while it carries out its next effects.
    pub(crate) doom: Option<Doom>,
    pub(crate) no_room: bool,
    /// It comes back after it has left.
    pub(crate) returns: Option<std::time::Duration>,
}

impl Host {
    pub(crate) fn new(id: NodeId, plan: NodePlan) -> Self {
        Self {
            id,
            barred: BTreeSet::new(),
            plan,
            life: 0,
            peer: None,
            tick: Time::FAR,
            disk: Disk::default(),
            volatile: Volatile::default(),
            doom: None,
            no_room: false,
            returns: None,
        }
    }

    /// The examiner's answer to the first of its tasks, which is taken out. As the daemon's examiner does it.
    pub(crate) fn look_at_next(&mut self) -> Option<outlast_job::Input> {
        match self.volatile.tasks.pop_front()? {
            Task::Examine { job, ticket, outputs } => {
                let results = outputs
                    .into_iter()
                    .map(|output| {
                        let examined = self.classify(job, &output).unwrap_or_else(Examined::from);
                        (output, examined)
                    })
                    .collect();
                Some(outlast_job::Input::Examined { job, ticket, results })
            }
            Task::Compare { job, sample, truth } => {
                let cell = sample.cell;
                let outcome = self.compare(job, *sample, truth);
                let outcome = outcome.unwrap_or_else(|e| SampleOutcome::Unavailable(e.to_string()));
                Some(outlast_job::Input::Sampled { job, cell, outcome })
            }
            Task::Accepted { job, cell } => {
                self.volatile.classes.remove(&(job, cell));
                None
            }
            Task::Forget { job } => {
                self.volatile.classes.retain(|(of, _), _| *of != job);
                None
            }
        }
    }

    fn classify(&mut self, job: JobId, output: &CellOutput) -> Result<Examined, ResultError> {
        let cell = output.cell;
        if !self.is_active(job) {
            return Err(ResultError::Io(io::Error::other("the job is over")));
        }
        self.load(job, cell);
        let Some(disk) = self.disk.jobs.get(&job) else {
            return Err(ResultError::Io(io::Error::other("the job is over")));
        };
        disk.toy.check(output, &self.disk.blobs)?;
        let refuted = match disk.truths.get(&cell) {
            Some((sample, truth)) => {
                !disk.toy.matches_sample(sample, truth, output, &self.disk.blobs)?
            }
            None => false,
        };
        let known = self.volatile.classes.entry((job, cell)).or_default();
        for (class, other) in (0u16..).zip(known.iter()) {
            if disk.toy.agree(other, output, &self.disk.blobs)? {
                return Ok(Examined::Class { class: Class(class), new: false, refuted });
            }
        }
        let class = Class(known.len() as u16);
        known.push(output.clone());
        Ok(Examined::Class { class, new: true, refuted })
    }

    fn is_active(&self, job: JobId) -> bool {
        let job = self.peer.as_ref().and_then(|peer| peer.job(job));
        job.is_some_and(outlast_job::Coordinator::is_active)
    }

    /// Reads what the journal has of a cell, the first time that it is looked at in this life.
    fn load(&mut self, job: JobId, cell: CellId) {
        if self.volatile.classes.contains_key(&(job, cell)) {
            return;
        }
        let Some(disk) = self.disk.jobs.get(&job) else { return };
        let known: Vec<CellOutput> =
            (0..).map_while(|class| disk.outputs.get(&(cell, Class(class))).cloned()).collect();
        self.volatile.classes.insert((job, cell), known);
    }

    fn compare(
        &mut self,
        job: JobId,
        sample: Sample,
        truth: CellOutput,
    ) -> Result<SampleOutcome, ResultError> {
        let cell = sample.cell;
        // Nobody would forget its classes again.
        if !self.is_active(job) {
            return Err(ResultError::Invalid("the job is over".to_owned()));
        }
        self.load(job, cell);
        let Some(disk) = self.disk.jobs.get_mut(&job) else {
            return Err(ResultError::Invalid("the job is over".to_owned()));
        };
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for (class, answer) in (0u16..).zip(&self.volatile.classes[&(job, cell)]) {
            if disk.toy.matches_sample(&sample, &truth, answer, &self.disk.blobs)? {
                right.push(Class(class));
            } else {
                wrong.push(Class(class));
            }
        }
        disk.truths.insert(cell, (sample, truth));
        Ok(SampleOutcome::Compared { right, wrong })
    }
}

/// The accepted answers of a job.
pub(crate) struct Kept<'a> {
    pub(crate) disk: &'a JobDisk,
    pub(crate) blobs: &'a Shelf,
    pub(crate) accepted: &'a BTreeMap<CellId, Class>,
}

impl Blobs for Kept<'_> {
    fn read(&self, hash: &Hash) -> io::Result<Vec<u8>> {
        self.blobs.read(hash)
    }
}

impl Results for Kept<'_> {
    fn output(&self, cell: CellId) -> io::Result<Option<CellOutput>> {
        let class = self.accepted.get(&cell);
        Ok(class.and_then(|&class| self.disk.outputs.get(&(cell, class)).cloned()))
    }
}

/// Where merged output goes.
#[derive(Default)]
pub(crate) struct Paper(pub(crate) Vec<u8>);

impl outlast_gridlet::Sink for Paper {
    fn write(&mut self, _: &str, bytes: &[u8]) -> io::Result<()> {
        self.0 = bytes.to_vec();
        Ok(())
    }

    fn place(&mut self, _: &str, _: &outlast_gridlet::Content, _: bool) -> io::Result<()> {
        Err(io::Error::other("toys place nothing"))
    }
}
