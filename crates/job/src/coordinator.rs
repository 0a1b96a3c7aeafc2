//! The coordinator of one job, at its submitter.
//!
//! ```text
//!   Running ──all cells accepted──▶ Merging ──output written──▶ Ended(Done)
//!      │                              │  └───can't be written──▶ Ended(Unwritten) ──retry──▶ Merging
//!      └─cancelled, hopeless──────────┴──▶ Ended(Cancelled | Failed | NoProgram)
//! ```
//!
//! It knows cells, leases and workers, and nothing of applications or bytes: what an answer says is
//! a [`Class`](outlast_verify::Class) that the shell found by asking the application manager.
//!
//! What it does not do: decide who is right ([`Verifier`]), choose among workers
//! ([`outlast_broker::Policy`]), notice that a node is gone ([`outlast_overlay::Membership`]).

mod alike;
mod answers;
mod assign;
mod belief;
mod ending;
mod layout;
mod load;
mod places;
mod recover;
mod report;
mod undecided;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use outlast_gridlet::{ApplicationManager, Gridlet, Merged};
use outlast_overlay::Membership;
use outlast_types::{Ad, Attempt, CellId, GridletId, JobId, NodeId, Region, Time, VoId};
use outlast_verify::{Ledger, Policy, Verdict, Verifier};

use crate::queue::Queue;
use crate::wire::{ManifestRef, Message, Staging, ToWorker};
use crate::{Effect, Record, Settings, Standing};
use layout::Layout;
pub use layout::cut;

use alike::Alike;
use undecided::Undecided;

pub use report::{Fault, GridletReport, Report, WorkerReport, WrongReport};

/// Entries in the list of who was wrong where; beyond it wrong answers are only counted.
const MAX_WRONG: usize = 4096;

/// A lease is given up when its answers' blobs couldn't be fetched so often.
const MAX_FETCH_FAILURES: u32 = 3;

/// A job as it was submitted.
#[derive(Clone)]
pub struct JobSpec {
    /// Its number.
    pub id: JobId,
    /// What knows its application.
    pub manager: Arc<dyn ApplicationManager>,
    /// Its inputs.
    pub manifest: ManifestRef,
    /// In which organisation it runs; `None`: any that the submitter shares with a worker.
    pub vo: Option<VoId>,
    /// How its results are verified.
    pub policy: Policy,
    /// How its cells are cut, if not into the manager's gridlets: see [`cut`].
    pub layers: Vec<Vec<Region>>,
    /// Nodes whose answers count like the submitter's own.
    pub trusted: Vec<NodeId>,
    /// For the choice of samples; secret from the workers.
    pub seed: u64,
    /// When it was submitted.
    pub created: Time,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The output is there.
    Done(Merged),
    /// It can't be done: says why.
    Failed(String),
    /// No node has this program.
    NoProgram(String),
    /// Somebody cancelled it.
    Cancelled,
    /// All is computed and accepted, but the output can't be written: says why. It can be retried.
    Unwritten(String),
}

/// Where a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Gridlets are out or waiting.
    Running,
    /// The output is being written.
    Merging,
    /// Over.
    Ended(End),
}

/// What the coordinator needs of the peer around it for one call.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) me: NodeId,
    pub(crate) settings: &'a Settings,
    pub(crate) membership: &'a Membership,
    pub(crate) standings: &'a BTreeMap<NodeId, Standing>,
    pub(crate) offer: &'a Ad,
    pub(crate) ledger: &'a Ledger,
    /// Gridlets of all jobs of this node that wait, as of the last tick.
    pub(crate) waiting: u32,
    pub(crate) placement: &'a mut dyn outlast_broker::Policy,
    /// What was learned about workers, for the ledger.
    pub(crate) evidence: &'a mut Vec<Verdict>,
    pub(crate) out: &'a mut Vec<Effect>,
}

/// Work that is out at a worker.
#[derive(Debug)]
struct Lease {
    gridlet: GridletId,
    worker: NodeId,
    /// All its cells, ascending.
    cells: Vec<CellId>,
    /// Of those, not answered yet.
    open: BTreeSet<CellId>,
    /// Of those, answered but not examined yet.
    arriving: BTreeSet<CellId>,
    granted: Time,
    heard: Time,
    sent: Time,
    accepted: bool,
    /// How far its inputs were when its worker last said so, and when that was.
    staging: Option<(Staging, Time)>,
    /// Bytes that one of its files may have, as its recipe says.
    file_limit: u64,
    fetch_failures: u32,
    /// How often its answers couldn't be compared.
    undecided: u32,
    /// Its cells are decided, to see what the worker says.
    quiz: bool,
}

/// What this job knows of a worker.
#[derive(Debug, Default)]
struct Worker {
    leases: u32,
    granted: u64,
    answers: u64,
    right: u64,
    wrong: u64,
    failures: u64,
    not_before: Time,
    missing_program: bool,
    /// It fails at whatever it gets.
    broken: bool,
    barred: bool,
    struck: bool,
    /// What the verifier was told of it.
    belief: Option<belief::Belief>,
}

/// Answers on their way from arrival to verdict.
#[derive(Debug)]
struct Arrival {
    attempt: Attempt,
    outputs: Vec<outlast_gridlet::CellOutput>,
}

#[derive(Debug, Default)]
struct Counters {
    late: u64,
    duplicates: u64,
    invalid: u64,
    expired: u64,
    refused: u64,
    rivals: u64,
    wrong: u64,
}

/// One worker's wrong answers in one gridlet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrong {
    cells: u64,
    /// The smallest box of atoms that has them all.
    area: Region,
    /// What was wrong with the one that was found first.
    fault: Fault,
}

/// How long leases take, to know a slow one.
#[derive(Debug, Default)]
struct Pace {
    seconds: f64,
    cost: f64,
    leases: u32,
}

/// See the module.
pub struct Coordinator {
    spec: Arc<JobSpec>,
    layout: Layout,
    verifier: Verifier,
    phase: Phase,
    queue: Queue,
    /// Gridlets that only this node itself may do: others disagreed or failed too often.
    for_self: BTreeSet<GridletId>,
    /// Of those, the ones whose answers gave no decision: nobody else can help.
    hopeless: BTreeSet<GridletId>,
    leases: BTreeMap<Attempt, Lease>,
    by_gridlet: BTreeMap<GridletId, BTreeSet<Attempt>>,
    /// Leases all of whose cells were answered: what comes under them is said twice, not late.
    completed: BTreeSet<Attempt>,
    next_attempt: Attempt,
    workers: BTreeMap<NodeId, Worker>,
    arrivals: BTreeMap<u64, Arrival>,
    next_ticket: u64,
    samples: BTreeMap<CellId, u64>,
    sample_trouble: Option<String>,
    /// Cells of each gridlet that aren't accepted yet.
    remaining: Vec<u32>,
    gridlets_done: u32,
    failures: BTreeMap<GridletId, BTreeMap<NodeId, String>>,
    undecided: Undecided,
    alike: Alike,
    wrong: BTreeMap<(NodeId, GridletId), Wrong>,
    counters: Counters,
    pace: Pace,
    /// Since when no known node can run it.
    stranded: Option<Time>,
    version: u64,
    finished: Option<Time>,
    /// While the story of a job is told: the verdicts of the record that is being replayed.
    told: Option<Vec<Verdict>>,
    /// The share of liars that the verifier was told of.
    prior: Option<f64>,
    /// Cliques that it was told of.
    cliques: BTreeSet<Vec<NodeId>>,
}

impl Coordinator {
    /// A new job, nothing done. `me` is the submitter: its own answers are trusted.
    pub fn new(spec: Arc<JobSpec>, me: NodeId) -> Self {
        let grid = spec.manager.grid();
        let grid_cells = grid.cells();
        let layout = Layout::new(grid, spec.manager.gridlets(), &spec.layers);
        let base = (0..layout.base()).map(|id| &layout.gridlet(GridletId(id)).cells);
        let groups: Vec<Vec<CellId>> = base.map(|cells| grid.cells_in(cells).collect()).collect();
        let all = (0..layout.len()).map(|id| layout.gridlet(GridletId(id)).cells.volume() as u32);
        let remaining = all.collect();
        let mut coordinator = Self {
            layout,
            verifier: Verifier::new(spec.policy, &groups, me, spec.seed),
            phase: Phase::Running,
            queue: Queue::default(),
            for_self: BTreeSet::new(),
            hopeless: BTreeSet::new(),
            leases: BTreeMap::new(),
            by_gridlet: BTreeMap::new(),
            completed: BTreeSet::new(),
            next_attempt: Attempt(1),
            workers: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            next_ticket: 0,
            samples: BTreeMap::new(),
            sample_trouble: None,
            remaining,
            gridlets_done: 0,
            failures: BTreeMap::new(),
            undecided: Undecided::default(),
            alike: Alike::default(),
            wrong: BTreeMap::new(),
            counters: Counters::default(),
            pace: Pace::default(),
            stranded: None,
            version: 1,
            finished: None,
            told: None,
            prior: None,
            cliques: BTreeSet::new(),
            spec,
        };
        for &node in &coordinator.spec.trusted {
            coordinator.verifier.trust(node);
        }
        // A relaxed plan does only a part again: elsewhere there is nothing to agree with.
        let alone =
            |cell: &CellId| coordinator.layout.all_of(*cell).count() < coordinator.layout.layers();
        let alone: Vec<CellId> = (0..grid_cells).map(CellId).filter(alone).collect();
        for cell in alone {
            coordinator.verifier.single(cell);
        }
        for gridlet in 0..coordinator.layout.base() {
            coordinator.queue.put(GridletId(gridlet), Vec::new(), None);
        }
        coordinator
    }

    /// The job as submitted.
    pub fn spec(&self) -> &Arc<JobSpec> {
        &self.spec
    }

    /// Where it is.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Whether anything is left to do.
    pub fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Merging)
    }

    /// Leases that are out, answers on their way to a verdict, samples asked for.
    pub(crate) fn tables(&self) -> (usize, usize, usize) {
        (self.leases.len(), self.arrivals.len(), self.samples.len())
    }

    /// Goes up with each change that a user might see.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A gridlet of any layer, those of the first layer before the others. With one layer they are the manager's.
    pub fn gridlet(&self, id: GridletId) -> &Gridlet {
        self.layout.gridlet(id)
    }

    /// How many gridlets there are, of all layers.
    pub fn gridlet_count(&self) -> u32 {
        self.layout.len()
    }

    fn cells_of(&self, id: GridletId) -> Vec<CellId> {
        self.spec.manager.grid().cells_in(&self.gridlet(id).cells).collect()
    }

    /// The cells of a gridlet, if the job has it.
    pub(crate) fn cells_of_known(&self, id: GridletId) -> Option<Vec<CellId>> {
        (id.0 < self.layout.len()).then(|| self.cells_of(id))
    }

    /// Who holds a lease, and the cells that it hasn't answered.
    pub(crate) fn holder(&self, attempt: Attempt) -> Option<(NodeId, Vec<CellId>)> {
        let lease = self.leases.get(&attempt)?;
        Some((lease.worker, lease.open.iter().copied().collect()))
    }

    fn journal(&self, cx: &mut Context<'_>, record: Record) {
        cx.out.push(Effect::Journal { job: self.spec.id, record });
    }

    fn send(&self, cx: &mut Context<'_>, to: NodeId, message: ToWorker) {
        cx.out.push(Effect::Send { to, message: Message::ToWorker(self.spec.id, message) });
    }

    /// Carries on after [`Coordinator::new`] or a restart: asks again for whatever was under way.
    pub(crate) fn start(&mut self, cx: &mut Context<'_>) {
        match self.phase {
            Phase::Running => {
                // What this node's own worker held died with its former life.
                for attempt in self.leases_of(cx.me) {
                    self.end_lease(cx, attempt);
                }
                for (cell, seed) in self.samples.clone() {
                    let verdicts = self.ask_for_sample(cx, cell, seed);
                    self.absorb(Some(cx), verdicts);
                }
                self.finish_if_complete(cx);
                self.tell_load(cx);
                self.assign(cx);
            }
            Phase::Merging => cx.out.push(Effect::Merge(self.spec.id)),
            Phase::Ended(_) => {}
        }
    }

    /// This node itself was silent for so long: that is not the workers' silence.
    pub(crate) fn forgive(&mut self, now: Time, pause: Duration) {
        for lease in self.leases.values_mut() {
            lease.heard = lease.heard.max((lease.heard + pause).min(now));
        }
    }

    /// Ends leases that went silent, asks again where an answer is due, and hands out work.
    pub(crate) fn on_tick(&mut self, cx: &mut Context<'_>) {
        if self.phase != Phase::Running {
            return;
        }
        let ttl = cx.settings.lease_ttl;
        let silent: Vec<Attempt> = self
            .leases
            .iter()
            .filter(|(_, lease)| cx.now.since(lease.heard) > ttl)
            .map(|(attempt, _)| *attempt)
            .collect();
        for attempt in silent {
            self.counters.expired += 1;
            self.end_lease(cx, attempt);
        }
        let unanswered: Vec<Attempt> = self
            .leases
            .iter()
            .filter(|(_, l)| !l.accepted && cx.now.since(l.sent) > cx.settings.resend_every)
            .map(|(attempt, _)| *attempt)
            .collect();
        for attempt in unanswered {
            self.send_lease(cx, attempt);
        }
        self.refresh_beliefs(cx);
        self.tell_load(cx);
        self.assign(cx);
    }

    /// A node is gone: whatever it held is to be done by others.
    pub(crate) fn on_down(&mut self, cx: &mut Context<'_>, node: NodeId) {
        if self.phase != Phase::Running {
            return;
        }
        for attempt in self.leases_of(node) {
            self.counters.expired += 1;
            self.end_lease(cx, attempt);
        }
        self.assign(cx);
    }

    /// A node came, or has other things to offer.
    pub(crate) fn on_news(&mut self, cx: &mut Context<'_>) {
        self.tell_load(cx);
        self.assign(cx);
    }

    /// A node was found to lie, in this job or another.
    pub(crate) fn strike(&mut self, cx: &mut Context<'_>, node: NodeId) {
        let struck = self.workers.get(&node).is_some_and(|worker| worker.struck);
        if self.phase != Phase::Running || struck {
            return;
        }
        if let Some(worker) = self.workers.get_mut(&node) {
            worker.struck = true;
        }
        for attempt in self.leases_of(node) {
            self.end_lease(cx, attempt);
            self.send(cx, node, ToWorker::Revoke { attempts: vec![attempt] });
        }
        self.journal(cx, Record::Struck(node));
        let mut verdicts = Vec::new();
        self.verifier.strike(node, &mut verdicts);
        self.absorb(Some(cx), verdicts);
        self.requeue_all();
        self.assign(cx);
    }

    /// Everybody who was ever granted a lease.
    pub(crate) fn known_workers(&self) -> impl Iterator<Item = NodeId> {
        self.workers.keys().copied()
    }
}

#[cfg(test)]
mod tests;
