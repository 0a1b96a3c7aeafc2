//! The worker: runs leases for coordinators, its own node's included.
//!
//! ```text
//!   Lease ──▶ Queued ──inputs staged, slot free──▶ Running(step 0, 1, …) ──▶ Emptying ──all acknowledged──▶ gone
//!               │                                    │                         ▲
//!               └── failure, leaving ────────────────┴──▶ Failed, repeated until revoked ──▶ gone
//! ```
//!
//! Answers are kept until the coordinator acknowledges them, and sent again while it doesn't (GINGER 3.1, "result
//! checkpoint": whatever was shipped needn't be computed again by whoever continues).
//! A submitter that isn't heard of for `orphan_ttl` is given up.

mod inputs;
mod pace;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use outlast_gridlet::{CellOutput, Recipe};
use outlast_types::{Attempt, CellId, JobId, NodeId, Time};

use crate::effect::{JobKey, Run, RunEvent, RunFailure, RunId};
use crate::wire::{Failure, ManifestRef, Refusal, Staging, ToCoordinator, ToWorker};
use crate::{Effect, Footprint, Quotas, Settings, Standing};
use inputs::{Laid, needs, validate};
use pace::{send, send_cells};

/// Leases that wait here, for all submitters together. Each may carry a recipe of a frame's size.
const MAX_QUEUED: usize = 64;

/// Leases here in any state, for all submitters together: a submitter that never acknowledges or
/// revokes anything fills no more than this.
const MAX_LEASES: usize = 1024;

/// Renewals between two questions about a job that this worker holds no lease of.
const ASK_EVERY: u32 = 20;

/// Jobs whose inputs are laid out here at a time.
const MAX_JOBS: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LeaseKey {
    key: JobKey,
    attempt: Attempt,
}

#[derive(Debug, PartialEq)]
enum State {
    Queued,
    Running {
        step: u32,
    },
    /// All steps are through; answers wait to be acknowledged.
    Emptying,
    Failed(Failure),
}

#[derive(Debug)]
struct Lease {
    recipe: Recipe,
    state: State,
    /// Whether the inputs that it needs are laid out.
    staged: bool,
    /// How far they are, if the submitter wasn't told yet.
    staging: Option<Staging>,
    /// When its present step began.
    began: Time,
    /// Cells that the recipe answers and that haven't come yet.
    missing: BTreeSet<CellId>,
    /// Answers that aren't acknowledged.
    unacknowledged: BTreeMap<CellId, CellOutput>,
    /// Of those, not sent yet.
    unsent: BTreeSet<CellId>,
    /// When something was last sent that wants an answer.
    sent: Time,
    /// How often it was sent again without an answer.
    repeats: u32,
}

/// A job that this node works for.
#[derive(Debug)]
struct Job {
    laid: Laid,
    /// When its submitter last spoke of it.
    heard: Time,
    /// When it was last asked whether the job goes on although there is no lease.
    asked: Time,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Worker {
    me: NodeId,
    slots: u32,
    leases: BTreeMap<LeaseKey, Lease>,
    queue: VecDeque<LeaseKey>,
    jobs: BTreeMap<JobKey, Job>,
    renewed: Time,
    draining: Option<Time>,
}

/// A lease, as it is offered.
struct Offered {
    attempt: Attempt,
    manifest: ManifestRef,
    recipe: Recipe,
    /// The submitter has the right to it.
    allowed: bool,
}

impl Worker {
    pub(crate) fn new(me: NodeId) -> Self {
        Self {
            me,
            slots: 0,
            leases: BTreeMap::new(),
            queue: VecDeque::new(),
            jobs: BTreeMap::new(),
            renewed: Time::ZERO,
            draining: None,
        }
    }

    pub(crate) fn set_slots(&mut self, slots: u32) {
        self.slots = slots;
    }

    /// Slots that nothing runs in and nothing waits for.
    pub(crate) fn free(&self) -> u32 {
        self.slots.saturating_sub((self.running() + self.queue.len()) as u32)
    }

    /// Leases here, whatever their state.
    pub(crate) fn held(&self) -> usize {
        self.leases.len()
    }

    /// Its part of the peer's tables.
    pub(crate) fn footprint(&self) -> Footprint {
        Footprint {
            leases_here: self.leases.len(),
            jobs_here: self.jobs.len(),
            answers_here: self.leases.values().map(|lease| lease.unacknowledged.len()).sum(),
            ..Footprint::default()
        }
    }

    /// Leases that run.
    pub(crate) fn running(&self) -> usize {
        self.leases.values().filter(|lease| matches!(lease.state, State::Running { .. })).count()
    }

    /// Whether it takes nothing new.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Whether it has left: asked to, and nothing is left to do.
    pub(crate) fn is_drained(&self) -> bool {
        self.draining.is_some() && self.leases.is_empty()
    }

    pub(crate) fn on_message(
        &mut self,
        now: Time,
        settings: &Settings,
        (from, standing): (NodeId, Option<&Standing>),
        job: JobId,
        message: ToWorker,
        out: &mut Vec<Effect>,
    ) {
        let key = JobKey { submitter: from, job };
        if let Some(job) = self.jobs.get_mut(&key) {
            job.heard = now;
        }
        match message {
            ToWorker::Lease { attempt, vo, manifest, recipe, .. } => {
                let allowed = from == self.me || standing.is_some_and(|s| s.may_work_for(vo));
                let offer = Offered { attempt, manifest, recipe, allowed };
                self.on_lease(now, settings, key, offer, out);
            }
            ToWorker::Ack { attempt, cells } => {
                if let Some(lease) = self.leases.get_mut(&LeaseKey { key, attempt }) {
                    lease.repeats = 0;
                    for cell in cells {
                        lease.unacknowledged.remove(&cell);
                        lease.unsent.remove(&cell);
                    }
                }
                self.conclude(now, LeaseKey { key, attempt }, out);
            }
            ToWorker::Heard => {}
            ToWorker::Revoke { attempts } => {
                for attempt in attempts {
                    self.forget(LeaseKey { key, attempt }, out);
                }
            }
            ToWorker::Ended => self.forget_job(key, out),
        }
        self.start_runs(now, settings, out);
    }

    fn on_lease(
        &mut self,
        now: Time,
        settings: &Settings,
        key: JobKey,
        offered: Offered,
        out: &mut Vec<Effect>,
    ) {
        let Offered { attempt, manifest, recipe, allowed } = offered;
        let lease_key = LeaseKey { key, attempt };
        if let Some(lease) = self.leases.get(&lease_key) {
            let answer = match &lease.state {
                State::Failed(failure) => {
                    ToCoordinator::Failed { attempt, failure: failure.clone() }
                }
                _ => ToCoordinator::Accepted { attempt },
            };
            send(key, answer, out);
            return;
        }
        let room = self.slots > 0
            && self.leases.len() < MAX_LEASES
            && self.queue.len() < MAX_QUEUED
            && (self.jobs.contains_key(&key) || self.jobs.len() < MAX_JOBS);
        let refusal = if self.draining.is_some() {
            Some(Refusal::Leaving)
        } else if !allowed {
            let why = "you may not submit here, or this node may not execute for you";
            Some(Refusal::Forbidden(why.to_owned()))
        } else if let Some(why) = self.over_quota(settings, key) {
            Some(Refusal::Quota(why))
        } else if !room {
            Some(Refusal::Busy)
        } else {
            validate(&recipe).err().map(Refusal::BadRecipe)
        };
        if let Some(refusal) = refusal {
            send(key, ToCoordinator::Refused { attempt, refusal }, out);
            return;
        }
        let missing =
            recipe.steps.iter().flat_map(|step| step.harvest.iter().map(|h| h.cell)).collect();
        let needs = needs(&recipe);
        let fresh = Job { laid: Laid::default(), heard: now, asked: now };
        let staged = self.jobs.entry(key).or_insert(fresh).laid.covers(&needs);
        let lease = Lease {
            recipe,
            state: State::Queued,
            staged,
            staging: None,
            began: now,
            missing,
            unacknowledged: BTreeMap::new(),
            unsent: BTreeSet::new(),
            sent: now,
            repeats: 0,
        };
        self.leases.insert(lease_key, lease);
        self.queue.push_back(lease_key);
        send(key, ToCoordinator::Accepted { attempt }, out);
        if !staged {
            out.push(Effect::Stage { key, attempt, manifest, needs });
        }
    }

    /// Why a submitter gets no more of this node now, if it has as much as one may have.
    fn over_quota(&self, settings: &Settings, key: JobKey) -> Option<String> {
        let limit = settings.quotas.member_slots;
        if limit == 0 || key.submitter == self.me {
            return None;
        }
        let holds = |lease: &Lease| matches!(lease.state, State::Queued | State::Running { .. });
        let held = self.leases.iter().filter(|(k, l)| k.key.submitter == key.submitter && holds(l));
        (held.count() >= limit as usize)
            .then(|| format!("one member may use {limit} of this node's slots at once"))
    }

    /// The inputs of a lease have come so far. The submitter hears it with the next renewal.
    pub(crate) fn on_staging(&mut self, key: JobKey, attempt: Attempt, staging: Staging) {
        let lease = self.leases.get_mut(&LeaseKey { key, attempt });
        if let Some(lease) = lease.filter(|lease| !lease.staged) {
            lease.staging = Some(staging);
        }
    }

    /// The inputs of a lease are there, or can't be had.
    pub(crate) fn on_staged(
        &mut self,
        now: Time,
        settings: &Settings,
        key: JobKey,
        attempt: Attempt,
        result: Result<(), RunFailure>,
        out: &mut Vec<Effect>,
    ) {
        let lease_key = LeaseKey { key, attempt };
        // The lease may have ended meanwhile: what was laid out for it isn't known to be of use.
        let Some(lease) = self.leases.get_mut(&lease_key) else { return };
        match result {
            Ok(()) => {
                lease.staged = true;
                let needs = needs(&lease.recipe);
                if let Some(job) = self.jobs.get_mut(&key) {
                    job.laid.add(needs);
                }
            }
            Err(failure) => {
                let failure = match failure {
                    RunFailure::DiskFull => Failure::DiskFull,
                    RunFailure::MissingProgram(name) => Failure::MissingProgram(name),
                    RunFailure::Setup(why) | RunFailure::Result(why) => Failure::Staging(why),
                };
                if lease.state == State::Queued {
                    self.fail(now, lease_key, failure, out);
                }
            }
        }
        self.start_runs(now, settings, out);
    }

    /// News of a run.
    pub(crate) fn on_run(
        &mut self,
        now: Time,
        settings: &Settings,
        run: RunId,
        event: RunEvent,
        out: &mut Vec<Effect>,
    ) {
        let lease_key = LeaseKey { key: run.key, attempt: run.attempt };
        let Some(lease) = self.leases.get_mut(&lease_key) else { return };
        if lease.state != (State::Running { step: run.step }) {
            return;
        }
        match event {
            RunEvent::Cell(output) => {
                if lease.missing.remove(&output.cell) {
                    lease.unsent.insert(output.cell);
                    lease.unacknowledged.insert(output.cell, output);
                }
            }
            RunEvent::Exited { code, tail } => {
                let step = &lease.recipe.steps[run.step as usize];
                let lacking = step.harvest.iter().find(|h| lease.missing.contains(&h.cell));
                if step.exit == outlast_gridlet::ExitRule::Zero && code != 0 {
                    self.fail(now, lease_key, Failure::Program { exit: code, tail }, out);
                } else if let Some(lacking) = lacking {
                    let why =
                        format!("the program ended without a result for cell {}", lacking.cell);
                    self.fail(now, lease_key, Failure::Result(why), out);
                } else {
                    self.next_step(now, settings, lease_key, run.step + 1, out);
                }
            }
            RunEvent::Failed(failure) => {
                let failure = match failure {
                    RunFailure::MissingProgram(name) => Failure::MissingProgram(name),
                    RunFailure::DiskFull => Failure::DiskFull,
                    RunFailure::Setup(why) => Failure::Staging(why),
                    RunFailure::Result(why) => Failure::Result(why),
                };
                self.fail(now, lease_key, failure, out);
            }
        }
        self.ship(now, settings, lease_key, out);
        self.drop_if_through(lease_key);
        self.start_runs(now, settings, out);
    }

    fn drop_if_through(&mut self, lease_key: LeaseKey) {
        let through =
            |lease: &Lease| lease.state == State::Emptying && lease.unacknowledged.is_empty();
        if self.leases.get(&lease_key).is_some_and(through) {
            self.leases.remove(&lease_key);
        }
    }

    fn next_step(
        &mut self,
        now: Time,
        settings: &Settings,
        lease_key: LeaseKey,
        step: u32,
        out: &mut Vec<Effect>,
    ) {
        let draining = self.draining.is_some();
        let own = lease_key.key.submitter == self.me;
        let Some(lease) = self.leases.get_mut(&lease_key) else { return };
        let Some(next) = lease.recipe.steps.get(step as usize) else {
            lease.state = State::Emptying;
            return;
        };
        if draining {
            self.fail(now, lease_key, Failure::Leaving, out);
            return;
        }
        lease.state = State::Running { step };
        lease.began = now;
        let id = RunId { key: lease_key.key, attempt: lease_key.attempt, step };
        let Quotas { file_bytes, step_bytes, .. } = settings.quotas;
        let (file_limit, folder_limit) = match own {
            true => (lease.recipe.file_limit, u64::MAX),
            false => (lease.recipe.file_limit.min(file_bytes), step_bytes),
        };
        out.push(Effect::Run(Box::new(Run {
            id,
            step: next.clone(),
            inputs: lease.recipe.inputs,
            file_limit,
            folder_limit,
        })));
    }

    /// Starts queued leases whose inputs are there while there are slots.
    fn start_runs(&mut self, now: Time, settings: &Settings, out: &mut Vec<Effect>) {
        loop {
            let running: Vec<&Lease> = self
                .leases
                .values()
                .filter(|lease| matches!(lease.state, State::Running { .. }))
                .collect();
            // Programs that leave their core idle for a while make room for one more.
            let spare = usize::from(running.iter().any(|lease| lease.recipe.idles));
            if running.len() >= self.slots as usize + spare {
                return;
            }
            let ready = |key: &LeaseKey| self.leases.get(key).is_some_and(|lease| lease.staged);
            let Some(position) = self.queue.iter().position(ready) else { return };
            let Some(lease_key) = self.queue.remove(position) else { return };
            self.next_step(now, settings, lease_key, 0, out);
        }
    }

    fn fail(&mut self, now: Time, lease_key: LeaseKey, failure: Failure, out: &mut Vec<Effect>) {
        self.queue.retain(|queued| *queued != lease_key);
        let Some(lease) = self.leases.get_mut(&lease_key) else { return };
        if let State::Running { step } = lease.state {
            let id = RunId { key: lease_key.key, attempt: lease_key.attempt, step };
            out.push(Effect::Kill(id));
        }
        // What is there already counts: it goes first.
        let cells = std::mem::take(&mut lease.unsent);
        if !cells.is_empty() {
            send_cells(lease_key, lease, cells, out);
        }
        lease.state = State::Failed(failure.clone());
        lease.sent = now;
        if lease.unacknowledged.is_empty() {
            let attempt = lease_key.attempt;
            send(lease_key.key, ToCoordinator::Failed { attempt, failure }, out);
        }
    }

    /// Forgets a lease that has nothing left to say; tells of a failure once its answers are safe.
    fn conclude(&mut self, now: Time, lease_key: LeaseKey, out: &mut Vec<Effect>) {
        let Some(lease) = self.leases.get_mut(&lease_key) else { return };
        if !lease.unacknowledged.is_empty() {
            return;
        }
        if let State::Failed(failure) = &lease.state {
            let (attempt, failure) = (lease_key.attempt, failure.clone());
            lease.sent = now;
            send(lease_key.key, ToCoordinator::Failed { attempt, failure }, out);
        }
        self.drop_if_through(lease_key);
    }

    fn forget_job(&mut self, key: JobKey, out: &mut Vec<Effect>) {
        let gone: Vec<LeaseKey> =
            self.leases.keys().filter(|lease| lease.key == key).copied().collect();
        for lease in gone {
            self.forget(lease, out);
        }
        if self.jobs.remove(&key).is_some() {
            out.push(Effect::Clean(key));
        }
    }

    fn forget(&mut self, lease_key: LeaseKey, out: &mut Vec<Effect>) {
        self.queue.retain(|queued| *queued != lease_key);
        let Some(lease) = self.leases.remove(&lease_key) else { return };
        if let State::Running { step } = lease.state {
            let LeaseKey { key, attempt } = lease_key;
            out.push(Effect::Kill(RunId { key, attempt, step }));
        }
    }

    /// Takes nothing new; hands back what hasn't begun; lets running steps end.
    pub(crate) fn drain(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.draining.is_some() {
            return;
        }
        self.draining = Some(now);
        for lease in self.queue.clone() {
            self.fail(now, lease, Failure::Leaving, out);
        }
    }

    /// A submitter has no business here any more.
    pub(crate) fn on_expelled(&mut self, node: NodeId, out: &mut Vec<Effect>) {
        let jobs: Vec<JobKey> =
            self.jobs.keys().filter(|key| key.submitter == node).copied().collect();
        for key in jobs {
            self.forget_job(key, out);
        }
    }
}

#[cfg(test)]
mod tests;
