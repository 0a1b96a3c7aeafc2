//! A worker's side of inputs: the tree of a job, and of it what leases need, fetched and laid out once for all of
//! the job's steps.
//!
//! ```text
//!  Stage{needs} ─▶ tree (once) ─▶ what is needed of it ─▶ quotas ─▶ blobs that lack ─▶ laid out in JOB/inputs
//!  Clean ─▶ all of it goes; blobs stay in the cache
//! ```
//!
//! What another node sent is a tree only after all its paths and links were looked at
//! ([`outlast_stage::tree`]), and it is laid out through an open folder, never by the way of a link.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outlast_gridlet::Needs;
use outlast_job::wire::{ManifestRef, Staging as Progress};
use outlast_job::{JobKey, RunFailure};
use outlast_stage::quota::{Accounts, Bounds, Share, Use};
use outlast_stage::tree::{Limits, TREE_BYTES, Tree};
use outlast_types::Hash;

use crate::config::StageLimits;
use crate::executor::{self, StagedInputs};
use crate::shared::{Shared, lock};
use crate::store::Holder;
use crate::transfer::{TransferError, Wanted};

/// How often it is told how far inputs are: as often as a worker renews its leases.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// A job's inputs here.
struct Job {
    inputs: Arc<StagedInputs>,
    /// Bytes that its submitter's account was charged.
    charged: u64,
}

/// All jobs' inputs here.
pub(crate) struct Staging {
    jobs: Mutex<HashMap<JobKey, Job>>,
    accounts: Mutex<Accounts>,
    bounds: Bounds,
    /// Held while inputs are laid out or removed.
    laying: tokio::sync::Mutex<()>,
}

impl Staging {
    pub(crate) fn new(limits: StageLimits) -> Self {
        let (mut bounds, mut share) = (Bounds::default(), Share::default());
        bounds.input_bytes = limits.job_input.unwrap_or(bounds.input_bytes);
        share.stored = limits.member_storage.unwrap_or(share.stored);
        let accounts = Mutex::new(Accounts::new(share));
        Self { jobs: Mutex::default(), accounts, bounds, laying: tokio::sync::Mutex::default() }
    }

    /// What is laid out of a job.
    pub(crate) fn inputs(&self, key: JobKey) -> Option<Arc<StagedInputs>> {
        lock(&self.jobs).get(&key).map(|job| Arc::clone(&job.inputs))
    }

    pub(crate) fn forget_all(&self) {
        lock(&self.jobs).clear();
    }

    /// What a job uses here is so much now: refused if that is more than its submitter may.
    fn charge(&self, key: JobKey, bytes: u64) -> Result<(), String> {
        let mut jobs = lock(&self.jobs);
        let Some(job) = jobs.get_mut(&key) else { return Err(OVER.to_owned()) };
        let more = Use { slots: 0, stored: bytes.saturating_sub(job.charged) };
        let charged = lock(&self.accounts).charge(key.submitter, more);
        charged.map_err(|error| error.to_string())?;
        job.charged += more.stored;
        Ok(())
    }

    fn forget(&self, key: JobKey) {
        if let Some(job) = lock(&self.jobs).remove(&key) {
            let less = Use { slots: 0, stored: job.charged };
            lock(&self.accounts).release(&key.submitter, less);
        }
    }
}

const OVER: &str = "the job is over";

fn local(failure: executor::RunFailure) -> RunFailure {
    match failure {
        executor::RunFailure::DiskFull => RunFailure::DiskFull,
        other => RunFailure::Setup(other.to_string()),
    }
}

impl Shared {
    pub(crate) fn job_folder(&self, key: JobKey) -> PathBuf {
        let name = format!("{}-{}", key.submitter.short(), key.job);
        self.data_dir.join("work").join(name)
    }

    async fn bring_inputs(
        &self,
        key: JobKey,
        manifest: Hash,
        blobs: BTreeMap<Hash, u64>,
    ) -> Result<(), RunFailure> {
        let (origin, holder) = (key.submitter, Holder::Worked(key));
        let wanted = Wanted { origin, group: Some(manifest), blobs, holder };
        self.transfers.get(&wanted).await.map_err(|error| match error {
            TransferError::DiskFull(_) | TransferError::Full(_) => RunFailure::DiskFull,
            error => RunFailure::Setup(error.to_string()),
        })
    }

    /// Waits for `brought`, and tells how far these blobs are meanwhile.
    async fn telling<T>(
        &self,
        brought: impl Future<Output = T>,
        blobs: &BTreeMap<Hash, u64>,
        tell: impl Fn(Progress),
    ) -> T {
        let of = blobs.values().sum();
        let mut look = tokio::time::interval(TELL_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(brought);
        loop {
            tokio::select! {
                biased;
                done = &mut brought => return done,
                _ = look.tick() => tell(Progress { here: self.store.bytes_here(blobs), of }),
            }
        }
    }

    /// The job's inputs, of which nothing may be laid out yet.
    async fn inputs_of(
        &self,
        key: JobKey,
        manifest: ManifestRef,
    ) -> Result<Arc<StagedInputs>, RunFailure> {
        if let Some(inputs) = self.staging.inputs(key) {
            return Ok(inputs);
        }
        let setup = RunFailure::Setup;
        if manifest.length > TREE_BYTES as u64 {
            let found = manifest.length;
            return Err(setup(format!("a list of {found} bytes, expected at most {TREE_BYTES}")));
        }
        let list = BTreeMap::from([(manifest.hash, manifest.length)]);
        self.bring_inputs(key, manifest.hash, list).await?;
        let store = Arc::clone(&self.store);
        let read = tokio::task::spawn_blocking(move || {
            let frame = store.read(&manifest.hash).map_err(|error| error.to_string())?;
            Tree::decode(&frame, &Limits::default()).map_err(|error| error.to_string())
        });
        let tree = read.await.map_err(|error| setup(error.to_string()))?.map_err(setup)?;
        if key.submitter != self.me {
            let bounds = self.staging.bounds.check_inputs(tree.bytes());
            bounds.map_err(|error| setup(error.to_string()))?;
        }
        if !lock(&self.wanted).contains(&key) {
            return Err(setup(OVER.to_owned()));
        }
        let folder = self.job_folder(key).join("inputs");
        let inputs = Arc::new(StagedInputs::new(folder, tree));
        let mut jobs = lock(&self.staging.jobs);
        // Another lease may have been quicker.
        let job = jobs.entry(key).or_insert(Job { inputs, charged: 0 });
        Ok(Arc::clone(&job.inputs))
    }

    /// Lays out what is needed of a job's inputs, as far as it isn't yet.
    pub(crate) async fn staged_inputs(
        &self,
        key: JobKey,
        manifest: ManifestRef,
        needs: &Needs,
        tell: impl Fn(Progress) + Send,
    ) -> Result<Arc<StagedInputs>, RunFailure> {
        let result = self.lay_out(key, manifest, needs, tell).await;
        // It may have ended meanwhile: what was fetched since it was cleaned up would be held for ever.
        self.sweep(key).await;
        result
    }

    async fn lay_out(
        &self,
        key: JobKey,
        manifest: ManifestRef,
        needs: &Needs,
        tell: impl Fn(Progress) + Send,
    ) -> Result<Arc<StagedInputs>, RunFailure> {
        let setup = RunFailure::Setup;
        let inputs = self.inputs_of(key, manifest).await?;
        let (of, needs) = (Arc::clone(&inputs), needs.clone());
        let needed = tokio::task::spawn_blocking(move || of.needed(&needs));
        let needed = needed.await.map_err(|error| setup(error.to_string()))?.map_err(local)?;
        let new = inputs.missing_bytes(&needed);
        if key.submitter != self.me {
            self.staging.charge(key, inputs.bytes() + new).map_err(setup)?;
        }
        let free = outlast_os::host::free_space(&self.data_dir).unwrap_or(u64::MAX);
        let lacking: u64 = needed
            .blobs()
            .iter()
            .filter(|(hash, _)| !self.store.has(hash))
            .map(|(_, length)| length)
            .sum();
        // As blobs and laid out.
        if lacking.saturating_add(new) > free.saturating_add(self.store.idle_bytes()) {
            return Err(RunFailure::DiskFull);
        }
        let blobs = needed.blobs();
        let brought = self.bring_inputs(key, manifest.hash, blobs.clone());
        self.telling(brought, &blobs, tell).await?;
        let _one_at_a_time = self.staging.laying.lock().await;
        if !lock(&self.wanted).contains(&key) {
            return Err(setup(OVER.to_owned()));
        }
        let (of, store) = (Arc::clone(&inputs), Arc::clone(&self.store));
        let laid = tokio::task::spawn_blocking(move || of.lay_out(&store, &needed)).await;
        laid.map_err(|error| setup(error.to_string()))?.map_err(local)?;
        Ok(inputs)
    }

    /// Removes what a job left at this worker.
    pub(crate) fn clean(self: &Arc<Self>, key: JobKey) {
        lock(&self.wanted).remove(&key);
        let shared = Arc::clone(self);
        tokio::spawn(async move { shared.sweep(key).await });
    }

    /// Whether something here works for a job.
    pub(crate) fn is_wanted(&self, key: JobKey) -> bool {
        lock(&self.wanted).contains(&key)
    }

    /// Removes what is here of a job that nothing here works for.
    pub(crate) async fn sweep(&self, key: JobKey) {
        if self.is_wanted(key) {
            return;
        }
        let _one_at_a_time = self.staging.laying.lock().await;
        if self.is_wanted(key) {
            // It came back in between.
            return;
        }
        self.staging.forget(key);
        self.store.release(Holder::Worked(key));
        self.store.release(Holder::Given(key));
        let folder = self.job_folder(key);
        let removed = tokio::task::spawn_blocking(move || executor::remove_tree(&folder));
        if let Err(error) = removed.await {
            tracing::warn!("removing a job's folder: {error}");
        }
    }
}
