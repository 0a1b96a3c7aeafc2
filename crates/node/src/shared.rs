//! What the kernel's effects are made of: everything that takes time happens here, on tasks and
//! threads of its own, and comes back to the kernel as an event.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::{debug, warn};

use outlast_gridlet::{InputMode, Needs, Sample};
use outlast_job::wire::ManifestRef;
use outlast_job::{Input, JobKey, RunEvent, RunFailure, RunId};
use outlast_types::{Attempt, CellId, Hash, JobId, NodeId, wire};

use crate::examiner::{Task, Tasks, truth_key};
use crate::executor::{self, Executor, Run, RunEvent as LocalEvent, RunOutcome};
use crate::jobs::{JobFiles, Jobs, JournalResults, Logs, SharedJournal};
use crate::journal::Batch;
use crate::kernel::{Clock, Event, Kernel, Watchers};
use crate::metrics::Metrics;
use crate::sink::DiskSink;
use crate::staging::Staging;
use crate::store::{Holder, Store};
use crate::tools::Tools;
use crate::transfer::{Transfers, Wanted};
use crate::transport::Transport;
use crate::trust::Trust;

/// Samples computed side by side; they take cores from the work itself.
pub(crate) const PARALLEL_SAMPLES: usize = 2;

/// Answers removed in one transaction: about as long as the kernel waits for the disk anyway.
const FORGOTTEN_AT_ONCE: usize = 2048;

/// How nice foreign work is to its host's owner.
const NICE: i32 = 10;

/// A sample that takes longer than this is given up: whatever hangs here must not hold the job.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(600);

/// What tasks, threads and the API share.
pub(crate) struct Shared {
    pub(crate) me: NodeId,
    pub(crate) clock: Clock,
    pub(crate) data_dir: PathBuf,
    pub(crate) store: Arc<Store>,
    pub(crate) tools: Arc<Tools>,
    pub(crate) journal: SharedJournal,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) transfers: Transfers,
    pub(crate) trust: Arc<Trust>,
    /// Why the node ended, if it wasn't told to.
    pub(crate) failure: Mutex<Option<String>>,
    pub(crate) executor: Arc<dyn RunHere>,
    pub(crate) kernel: Kernel,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) logs: Logs,
    pub(crate) watchers: Watchers,
    pub(crate) examiner: Tasks,
    pub(crate) staging: Staging,
    /// Jobs that something here works for; the inputs of others are removed, also if they come later.
    pub(crate) wanted: Mutex<BTreeSet<JobKey>>,
    pub(crate) samples: Semaphore,
    pub(crate) metrics: Metrics,
    pub(crate) counters: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) trouble: Mutex<Option<String>>,
    pub(crate) stop: AtomicBool,
    pub(crate) folders: AtomicU64,
}

/// Runs steps under the grid's own numbers.
pub(crate) trait RunHere: Send + Sync {
    fn run(&self, run: Run, id: RunId, events: Box<dyn Fn(LocalEvent) + Send + Sync>);
    fn kill(&self, id: RunId);
}

/// Gives an [`Executor`]'s runs the grid's numbers.
pub(crate) struct Numbered {
    executor: Arc<dyn Executor>,
    next: AtomicU64,
    ids: Arc<Mutex<HashMap<RunId, executor::RunId>>>,
}

impl Numbered {
    pub(crate) fn new(executor: Arc<dyn Executor>) -> Self {
        Self { executor, next: AtomicU64::new(1), ids: Arc::default() }
    }
}

impl RunHere for Numbered {
    fn run(&self, mut run: Run, id: RunId, events: Box<dyn Fn(LocalEvent) + Send + Sync>) {
        let number = executor::RunId(self.next.fetch_add(1, Ordering::Relaxed));
        run.id = number;
        lock(&self.ids).insert(id, number);
        let ids = Arc::clone(&self.ids);
        let sink = move |event: LocalEvent| {
            if matches!(event, LocalEvent::Ended { .. }) {
                lock(&ids).remove(&id);
            }
            events(event);
        };
        self.executor.run(run, Arc::new(sink));
    }

    fn kill(&self, id: RunId) {
        if let Some(number) = lock(&self.ids).remove(&id) {
            self.executor.kill(number);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a run's end means to the grid.
fn ended(outcome: RunOutcome) -> Option<RunEvent> {
    use executor::RunFailure as Local;
    Some(match outcome {
        RunOutcome::Exited { code, stderr_tail } => RunEvent::Exited { code, tail: stderr_tail },
        RunOutcome::Killed => return None,
        RunOutcome::Failed { reason } => RunEvent::Failed(match reason {
            Local::MissingProgram(name) => RunFailure::MissingProgram(name),
            Local::DiskFull => RunFailure::DiskFull,
            Local::Setup(why) => RunFailure::Setup(why),
            other => RunFailure::Result(other.to_string()),
        }),
    })
}

impl Shared {
    /// Remembers why the node ends.
    pub(crate) fn fail(&self, why: String) {
        *lock(&self.failure) = Some(why);
        self.stop.store(true, Ordering::SeqCst);
    }

    pub(crate) fn count(&self, name: &'static str) {
        *lock(&self.counters).entry(name).or_default() += 1;
    }

    pub(crate) fn set_trouble(&self, trouble: Option<String>) {
        *lock(&self.trouble) = trouble;
    }

    /// Whether the node is told to stop.
    pub(crate) fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub(crate) fn announce(&self, job: JobId, version: u64) {
        self.watchers.announce(job, version);
    }

    pub(crate) fn examine(&self, task: Task) {
        self.examiner.put(task);
    }

    fn tell_soon(&self, input: Input) {
        let kernel = self.kernel.clone();
        tokio::spawn(async move { kernel.send(Event::Input(input)).await });
    }

    pub(crate) fn fetch(
        self: &Arc<Self>,
        job: JobId,
        ticket: u64,
        from: NodeId,
        blobs: Vec<(Hash, u64)>,
    ) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let result = shared.bring(from, blobs, Holder::Answers(job)).await;
            if let Err(error) = &result {
                debug!(%job, node = %from.short(), "{error}");
            }
            shared.kernel.send(Event::Input(Input::Fetched { job, ticket, result })).await;
        });
    }

    /// Answers: durable before they are acknowledged.
    async fn bring(
        &self,
        from: NodeId,
        blobs: Vec<(Hash, u64)>,
        holder: Holder,
    ) -> Result<(), String> {
        let blobs: BTreeMap<Hash, u64> = blobs.into_iter().collect();
        let wanted = Wanted { origin: from, group: None, blobs, holder };
        self.transfers.get(&wanted).await.map_err(|error| error.to_string())?;
        let store = Arc::clone(&self.store);
        let synced = tokio::task::spawn_blocking(move || store.sync(wanted.blobs.keys())).await;
        synced.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// Lays out what a lease needs.
    pub(crate) fn stage(
        self: &Arc<Self>,
        key: JobKey,
        attempt: Attempt,
        manifest: ManifestRef,
        needs: Needs,
    ) {
        lock(&self.wanted).insert(key);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let tell = |staging| {
                shared.kernel.mention(Event::Input(Input::Staging { key, attempt, staging }));
            };
            let result = shared.staged_inputs(key, manifest, &needs, tell).await.map(drop);
            shared.kernel.send(Event::Input(Input::Staged { key, attempt, result })).await;
        });
    }

    fn run_folder(&self, key: JobKey) -> PathBuf {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        self.job_folder(key).join(format!("run-{number}"))
    }

    pub(crate) fn run(self: &Arc<Self>, run: outlast_job::Run) {
        let id = run.id;
        let Some(inputs) = self.staging.inputs(id.key) else {
            let failure = RunFailure::Setup("the job's inputs are gone".to_owned());
            self.tell_soon(Input::Run(id, RunEvent::Failed(failure)));
            return;
        };
        let local = Run {
            id: executor::RunId(0),
            folder: self.run_folder(id.key),
            step: run.step,
            inputs,
            mode: run.inputs,
            file_limit: run.file_limit,
            folder_limit: run.folder_limit,
            nice: NICE,
            holder: Holder::Given(id.key),
        };
        let (shared, runtime) = (Arc::clone(self), tokio::runtime::Handle::current());
        let events = move |event: LocalEvent| match event {
            LocalEvent::Cell { output, .. } => {
                shared.kernel.tell(Event::Input(Input::Run(id, RunEvent::Cell(output))));
            }
            LocalEvent::Ended { outcome, .. } => {
                if let Some(event) = ended(outcome) {
                    shared.kernel.tell(Event::Input(Input::Run(id, event)));
                }
                // Ended by the end of its job: what it kept until now came after the job was cleaned up.
                if !shared.is_wanted(id.key) {
                    let shared = Arc::clone(&shared);
                    runtime.spawn(async move { shared.sweep(id.key).await });
                }
            }
        };
        self.executor.run(local, id, Box::new(events));
    }

    /// Computes a sample here and has it compared.
    pub(crate) fn sample(self: &Arc<Self>, job: JobId, sample: Sample) {
        lock(&self.wanted).insert(JobKey { submitter: self.me, job });
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let truth = match shared.jobs.get(job) {
                Some(files) => shared.compute_sample(job, files.record.manifest, &sample).await,
                None => Err("the job is over".to_owned()),
            };
            // Its job may have ended first, and was cleaned up.
            shared.sweep(JobKey { submitter: shared.me, job }).await;
            shared.examine(Task::Compare { job, sample: Box::new(sample), truth });
        });
    }

    async fn compute_sample(
        self: &Arc<Self>,
        job: JobId,
        manifest: ManifestRef,
        sample: &Sample,
    ) -> Result<outlast_gridlet::CellOutput, String> {
        let key = JobKey { submitter: self.me, job };
        let _permit = self.samples.acquire().await.map_err(|error| error.to_string())?;
        let inputs = {
            let needs = sample.step.needs();
            self.staged_inputs(key, manifest, &needs, |_| ()).await.map_err(|f| format!("{f:?}"))?
        };
        // No lease has such a number: the coordinator counts from 1.
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let id = RunId { key, attempt: Attempt(u64::MAX - number), step: 0 };
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let run = Run {
            id: executor::RunId(0),
            folder: self.run_folder(key),
            step: sample.step.clone(),
            inputs,
            mode: InputMode::Link,
            file_limit: outlast_types::limits::RESULT_FILE_BYTES,
            folder_limit: u64::MAX,
            nice: 0,
            holder: Holder::Given(key),
        };
        // At most two events come: one answer and the end.
        self.executor.run(run, id, Box::new(move |event| drop(sender.send(event))));
        let mut answer = None;
        let gather = async {
            while let Some(event) = events.recv().await {
                match event {
                    LocalEvent::Cell { output, .. } => answer = Some(output),
                    LocalEvent::Ended { outcome, .. } => return Some(outcome),
                }
            }
            None
        };
        let outcome = tokio::time::timeout(SAMPLE_TIMEOUT, gather).await;
        match outcome {
            Err(_) => {
                self.executor.kill(id);
                Err(format!("it took more than {} s", SAMPLE_TIMEOUT.as_secs()))
            }
            Ok(Some(RunOutcome::Exited { code, stderr_tail })) => {
                answer.ok_or_else(|| format!("exit code {code}: {}", stderr_tail.trim_end()))
            }
            Ok(Some(RunOutcome::Failed { reason })) => Err(reason.to_string()),
            Ok(Some(RunOutcome::Killed) | None) => Err("it was ended".to_owned()),
        }
    }

    /// Writes a job's output.
    pub(crate) fn merge(self: &Arc<Self>, job: JobId) {
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let result = shared.merge_now(job);
            shared.kernel.tell(Event::Input(Input::Merged { job, result }));
        });
    }

    fn merge_now(&self, job: JobId) -> Result<outlast_gridlet::Merged, String> {
        let files = self.jobs.get(job).ok_or("the job is not known")?;
        let cwd = PathBuf::from(&files.record.cwd);
        let mut sink =
            DiskSink::new(&cwd, Arc::clone(&self.store), Arc::clone(&self.tools), &job.to_string());
        let manager = Arc::clone(&files.manager);
        let results = self.results(files);
        let merge = || -> Result<outlast_gridlet::Merged, String> {
            let merged = manager.merge(&results, &mut sink).map_err(|error| error.to_string())?;
            sink.finish().map_err(|error| error.to_string())?;
            Ok(merged)
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(merge))
            .unwrap_or_else(|_| Err("joining the results panicked; this is a bug".to_owned()))
    }

    pub(crate) fn results(&self, job: Arc<crate::jobs::JobFiles>) -> JournalResults {
        let (journal, store) = (Arc::clone(&self.journal), Arc::clone(&self.store));
        JournalResults { job, journal, store, tools: Arc::clone(&self.tools) }
    }

    /// Removes an ended job's answers from the journal, a few thousand at a time: the kernel commits in between.
    pub(crate) fn forget_outputs(self: &Arc<Self>, job: Arc<JobFiles>) {
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let cells: Vec<CellId> = (0..job.manager.grid().cells()).map(CellId).collect();
            for cells in cells.chunks(FORGOTTEN_AT_ONCE) {
                let mut batch = Batch::default();
                for &cell in cells {
                    // Rarely are there more classes than the accepted one and those before it; others go with the job.
                    let classes = job.accepted(cell).map_or(1, |class| class + 1);
                    (0..classes).for_each(|class| batch.delete_output(job.id, cell, class));
                    batch.delete_meta(truth_key(job.id, cell));
                }
                shared.commit_soon(&batch);
            }
            shared.store.release(Holder::Answers(job.id));
        });
    }

    /// Removes all that the journal has of a job.
    pub(crate) fn forget_job(self: &Arc<Self>, job: JobId) {
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let mut batch = Batch::default();
            batch.delete_job(job);
            shared.commit_soon(&batch);
            shared.store.release(Holder::Answers(job));
            shared.store.release(Holder::Submitted(job));
        });
    }

    /// Commits what may as well be done after the next start: nothing but space depends on it.
    fn commit_soon(&self, batch: &Batch) {
        let mut journal = self.journal.write().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = journal.commit(batch) {
            warn!("clearing what ended jobs left: {error}");
        }
    }

    /// After a start: what a job of an earlier life still needs of the store.
    pub(crate) fn pin_again(&self, job: &JobFiles, inputs: bool) -> Result<(), anyhow::Error> {
        if inputs {
            let blobs = job.record.blobs.iter().chain([&job.record.manifest.hash]);
            self.store.pin(blobs, Holder::Submitted(job.id));
        }
        let journal = self.journal.read().unwrap_or_else(PoisonError::into_inner);
        journal.outputs(job.id, |_, _, bytes| {
            // One that can't be read is found when it is needed.
            let Ok(output) = wire::decode::<outlast_gridlet::CellOutput>(bytes, usize::MAX) else {
                return;
            };
            let blobs = output.files.iter().filter_map(|file| match &file.content {
                outlast_gridlet::Content::Blob { hash, .. } => Some(hash),
                outlast_gridlet::Content::Inline(_) => None,
            });
            self.store.pin(blobs, Holder::Answers(job.id));
        })?;
        Ok(())
    }
}
