//! The jobs submitted at this node: what is kept of each, and where its results are.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

mod first;

use serde::{Deserialize, Serialize};

use outlast_deploy::InForce;
use outlast_gridlet::compare::{self, Comparator};
use outlast_gridlet::{
    ApplicationManager, Blobs, CellOutput, CommandLine, Content, Ran, Registry, Results, Tool,
};
use outlast_job::wire::ManifestRef;
use outlast_job::{JobSpec, Record, cut};
use outlast_types::{CellId, Hash, JobId, NodeId, Time, VoId, limits, wire};
use outlast_verify::partition::PlanError;
use outlast_verify::{Class, Policy};

use crate::journal::Journal;
use crate::store::Store;
use crate::tools::Tools;

/// A job's record and answers are written by this node only; the limit is against a damaged file.
const RECORD_BYTES: usize = 256 << 20;

/// How records are laid out now. The first layout is the bare frame, whose first byte is its version.
const LAYOUT: u8 = 2;
const _: () = assert!(LAYOUT != wire::VERSION, "the first byte tells the layouts apart");

/// No class was accepted yet.
const NONE: u16 = u16::MAX;

/// What the journal keeps of a job besides its facts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    /// Name of the application that restores it.
    pub(crate) app: String,
    pub(crate) state: Vec<u8>,
    pub(crate) manifest: ManifestRef,
    /// Blobs of the inputs, so that they are kept while the job needs them.
    pub(crate) blobs: Vec<Hash>,
    pub(crate) policy: Policy,
    /// How two answers are compared; `None`: the application's way.
    pub(crate) comparator: Option<Comparator>,
    /// Nodes whose answers count like our own.
    pub(crate) trusted: Vec<NodeId>,
    /// The technical services that act on it, as decided when it was submitted.
    pub(crate) services: Vec<InForce>,
    pub(crate) seed: u64,
    pub(crate) created: Time,
    pub(crate) command: CommandLine,
    pub(crate) cwd: String,
    pub(crate) name: Option<String>,
    /// In which organisation; `None`: any.
    pub(crate) vo: Option<VoId>,
}

impl JobRecord {
    /// Its layout's number, and a frame.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, wire::FrameError> {
        let frame = wire::encode(self, RECORD_BYTES)?;
        Ok([&[LAYOUT], frame.as_slice()].concat())
    }

    /// What an earlier Outlast wrote is read as well.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, wire::FrameError> {
        match bytes.split_first() {
            Some((&LAYOUT, frame)) => wire::decode(frame, RECORD_BYTES),
            // The first layout had no number: it is the version of its frame.
            _ => wire::decode::<first::JobRecord>(bytes, RECORD_BYTES).map(Self::from),
        }
    }

    /// The job as the coordinator wants it.
    pub(crate) fn spec(&self, id: JobId, registry: &Registry) -> anyhow::Result<JobSpec> {
        let application = registry.choose(Some(&self.app), &self.command)?;
        let mut manager = application.restore(&self.state)?;
        if let Some(comparator) = &self.comparator {
            manager = compare::with(manager, comparator.clone())?;
        }
        Ok(self.spec_with(id, manager)?)
    }

    pub(crate) fn spec_with(
        &self,
        id: JobId,
        manager: Arc<dyn ApplicationManager>,
    ) -> Result<JobSpec, PlanError> {
        let Self { manifest, vo, policy, trusted, seed, created, .. } = self;
        let layers = cut(&*manager, policy, *seed)?;
        Ok(JobSpec {
            id,
            manager,
            manifest: *manifest,
            vo: *vo,
            policy: *policy,
            layers,
            trusted: trusted.clone(),
            seed: *seed,
            created: *created,
        })
    }
}

/// An answer as the journal has it.
pub(crate) fn encode_output(output: &CellOutput) -> Result<Vec<u8>, wire::FrameError> {
    wire::encode(output, RECORD_BYTES)
}

/// A job that this node coordinates.
pub(crate) struct JobFiles {
    pub(crate) id: JobId,
    pub(crate) record: JobRecord,
    pub(crate) manager: Arc<dyn ApplicationManager>,
    /// It was begun by an earlier life of this daemon: the journal may know more than memory.
    pub(crate) recovered: bool,
    /// Class accepted for each cell.
    accepted: RwLock<Vec<u16>>,
    /// Its answers aren't wanted any more.
    over: AtomicBool,
}

impl JobFiles {
    pub(crate) fn new(
        id: JobId,
        record: JobRecord,
        manager: Arc<dyn ApplicationManager>,
        recovered: bool,
    ) -> Self {
        let accepted = RwLock::new(vec![NONE; manager.grid().cells() as usize]);
        Self { id, record, manager, recovered, accepted, over: AtomicBool::new(false) }
    }

    /// The job has ended: answers that are still on their way to be looked at come too late.
    pub(crate) fn set_over(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(crate) fn accept(&self, cell: CellId, class: Class) {
        let mut accepted = self.accepted.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = accepted.get_mut(cell.index()) {
            *slot = class.0;
        }
    }

    pub(crate) fn accepted(&self, cell: CellId) -> Option<u16> {
        let accepted = self.accepted.read().unwrap_or_else(PoisonError::into_inner);
        accepted.get(cell.index()).copied().filter(|&class| class != NONE)
    }
}

/// All jobs that this node coordinates.
#[derive(Default)]
pub(crate) struct Jobs(RwLock<BTreeMap<JobId, Arc<JobFiles>>>);

impl Jobs {
    pub(crate) fn insert(&self, job: Arc<JobFiles>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(job.id, job);
    }

    pub(crate) fn get(&self, job: JobId) -> Option<Arc<JobFiles>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&job).cloned()
    }

    pub(crate) fn remove(&self, job: JobId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&job);
    }

    pub(crate) fn all(&self) -> Vec<Arc<JobFiles>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// A journal that several threads read and the kernel writes.
pub(crate) type SharedJournal = Arc<RwLock<Journal>>;

/// A job's accepted answers, read where they are.
pub(crate) struct JournalResults {
    pub(crate) job: Arc<JobFiles>,
    pub(crate) journal: SharedJournal,
    pub(crate) store: Arc<Store>,
    pub(crate) tools: Arc<Tools>,
}

impl JournalResults {
    pub(crate) fn class(&self, cell: CellId, class: u16) -> io::Result<Option<CellOutput>> {
        read_output(&self.journal, self.job.id, cell, class)
    }
}

/// An answer from the journal.
pub(crate) fn read_output(
    journal: &SharedJournal,
    job: JobId,
    cell: CellId,
    class: u16,
) -> io::Result<Option<CellOutput>> {
    let journal = journal.read().unwrap_or_else(PoisonError::into_inner);
    let bytes = journal.output(job, cell, class).map_err(io::Error::other)?;
    bytes.map(|bytes| wire::decode(&bytes, RECORD_BYTES).map_err(io::Error::other)).transpose()
}

/// All that the journal has about the history of a job.
pub(crate) fn read_records(journal: &SharedJournal, job: JobId) -> io::Result<Vec<Record>> {
    let (mut records, mut trouble) = (Vec::new(), None);
    let journal = journal.read().unwrap_or_else(PoisonError::into_inner);
    let see = |_, bytes: &[u8]| match wire::decode(bytes, limits::FRAME_BYTES) {
        Ok(record) => records.push(record),
        Err(error) => trouble = Some(error),
    };
    journal.records(job, see).map_err(io::Error::other)?;
    trouble.map_or(Ok(records), |error| Err(io::Error::other(error)))
}

impl Blobs for JournalResults {
    fn read(&self, hash: &Hash) -> io::Result<Vec<u8>> {
        self.store.read(hash).map_err(io::Error::other)
    }

    fn run(&self, files: &[(String, Content)], tool: &Tool) -> io::Result<Ran> {
        self.tools.compare(files, tool)
    }
}

impl Results for JournalResults {
    fn output(&self, cell: CellId) -> io::Result<Option<CellOutput>> {
        self.job.accepted(cell).map_or(Ok(None), |class| self.class(cell, class))
    }
}

/// Small things said about a job, for `outlast logs`.
#[derive(Default)]
pub(crate) struct Logs(RwLock<HashMap<JobId, Vec<outlast_api::types::LogEntry>>>);

/// Entries kept for a job; the middle goes first, since how it began and how it ends is what one looks for.
const LOG_ENTRIES: usize = 1000;
const LOG_HEAD: usize = 200;

impl Logs {
    pub(crate) fn add(&self, job: JobId, node: Option<String>, time: Time, text: String) {
        let mut logs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let log = logs.entry(job).or_default();
        if log.len() >= LOG_ENTRIES {
            log.remove(LOG_HEAD);
        }
        let time = time.as_micros() as f64 / 1e6;
        log.push(outlast_api::types::LogEntry { time, node, text });
    }

    pub(crate) fn get(&self, job: JobId) -> Vec<outlast_api::types::LogEntry> {
        let logs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        logs.get(&job).cloned().unwrap_or_default()
    }

    pub(crate) fn remove(&self, job: JobId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&job);
    }
}
