//! What a coordinator can say about its job, for people and programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use outlast_types::{CellId, GridletId, NodeId, Region, Time};
use outlast_verify::{Policy, Proof, Schedule, Stats};

use super::{Coordinator, Phase};
use crate::wire::Staging;

/// What a worker said of its inputs is old after so long: it says something new twice a second while they come.
pub(super) const STAGING_NEWS: Duration = Duration::from_secs(3);

/// A job's state in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Where it is.
    pub phase: Phase,
    /// Goes up with each change.
    pub version: u64,
    /// When it was submitted.
    pub created: Time,
    /// How long it has run, or ran.
    pub elapsed: Duration,
    /// Gridlets in all.
    pub gridlets: u32,
    /// Gridlets all of whose cells are accepted.
    pub gridlets_done: u32,
    /// Cells in all.
    pub cells: u32,
    /// Cells accepted.
    pub cells_accepted: u32,
    /// Leases that are out.
    pub leases: u32,
    /// Gridlets that wait for a worker.
    pub waiting: u32,
    /// Answers that were wrong or no result at all.
    pub rejected: u64,
    /// Answers that came under a lease that was over.
    pub late: u64,
    /// Answers that came twice.
    pub duplicates: u64,
    /// Leases that ended because their worker went silent or was lost.
    pub expired: u64,
    /// Leases that a worker didn't take.
    pub refused: u64,
    /// Leases granted beside a slow one.
    pub rivals: u64,
    /// Time left, from the pace so far.
    pub eta: Option<Duration>,
    /// How it is verified.
    pub policy: Policy,
    /// When replicas are handed out now, if the policy leaves that to the load and the job still runs.
    pub schedule_now: Option<Schedule>,
    /// What verification did.
    pub verification: Stats,
    /// Why samples couldn't be computed, if they couldn't.
    pub sample_trouble: Option<String>,
    /// What stands in the way, for people: no worker has the program, for instance.
    pub trouble: Option<String>,
    /// Inputs on their way: to how many workers, and how far in all. None: nothing is.
    pub staging: Option<(u32, Staging)>,
}

/// Who was wrong where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongReport {
    /// The worker.
    pub node: NodeId,
    /// The gridlet.
    pub gridlet: GridletId,
    /// Wrong cells in it.
    pub cells: u64,
    /// The smallest box of atoms that has them all; others in it may be right.
    pub area: Region,
    /// What was wrong with the one that was found first.
    pub fault: Fault,
}

/// What was wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It says something else than what is held right, and how we know that.
    Wrong(Proof),
    /// It is no result at all: says why.
    Invalid(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wrong(Proof::Outvoted) => "outvoted",
            Self::Wrong(Proof::Quiz) => "contradicts an answer that was known and proven before",
            Self::Wrong(Proof::Sample) => "contradicts a sample computed by the submitter",
            Self::Wrong(Proof::Trusted) => "contradicts the submitter's own result",
            Self::Invalid(why) => return write!(f, "no valid result: {why}"),
        })
    }
}

/// What a worker did for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerReport {
    /// The worker.
    pub node: NodeId,
    /// Leases it holds.
    pub leases: u32,
    /// Leases it was ever granted.
    pub granted: u64,
    /// Cells it answered.
    pub answers: u64,
    /// Of those, right.
    pub right: u64,
    /// Of those, wrong.
    pub wrong: u64,
    /// Gridlets it failed at.
    pub failures: u64,
    /// Why it gets no more work of this job, if so.
    pub out: Option<&'static str>,
    /// How far its inputs are, while some are on their way.
    pub staging: Option<Staging>,
}

/// One gridlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridletReport {
    /// Its number.
    pub id: GridletId,
    /// Its cells.
    pub cells: u32,
    /// Of those, accepted.
    pub accepted: u32,
    /// Who works on it.
    pub workers: Vec<NodeId>,
}

/// Of how many workers, and how far in all; nothing if there are none.
fn all_of(staging: BTreeMap<NodeId, Staging>) -> Option<(u32, Staging)> {
    let workers = staging.len() as u32;
    let sum = |sum: Staging, one: Staging| Staging {
        here: sum.here.saturating_add(one.here),
        of: sum.of.saturating_add(one.of),
    };
    staging.into_values().reduce(sum).map(|all| (workers, all))
}

impl Coordinator {
    /// The job in numbers.
    pub fn report(&self, now: Time) -> Report {
        let elapsed = self.finished.unwrap_or(now).since(self.spec.created);
        let (cells, accepted) = (self.verifier.cells(), self.verifier.accepted_count());
        let eta = (accepted > 0 && self.phase == Phase::Running)
            .then(|| elapsed.mul_f64(f64::from(cells - accepted) / f64::from(accepted)));
        Report {
            phase: self.phase.clone(),
            version: self.version,
            created: self.spec.created,
            elapsed,
            gridlets: self.layout.base(),
            gridlets_done: self.gridlets_done,
            cells,
            cells_accepted: accepted,
            leases: self.leases.len() as u32,
            waiting: self.waiting(),
            rejected: self.counters.wrong,
            late: self.counters.late,
            duplicates: self.counters.duplicates,
            expired: self.counters.expired,
            refused: self.counters.refused,
            rivals: self.counters.rivals,
            eta,
            policy: *self.verifier.policy(),
            schedule_now: self.schedule_now(),
            verification: self.verifier.stats(),
            sample_trouble: self.sample_trouble.clone(),
            trouble: self.trouble(),
            staging: all_of(self.staging(now)),
        }
    }

    /// How far each worker's inputs are, as it said lately. Of several leases that wait for inputs, which may be the
    /// same, the one that needs most stands for all.
    fn staging(&self, now: Time) -> BTreeMap<NodeId, Staging> {
        let mut by_worker: BTreeMap<NodeId, Staging> = BTreeMap::new();
        for lease in self.leases.values() {
            let news = lease
                .staging
                .filter(|(staging, at)| staging.here < staging.of && now.since(*at) < STAGING_NEWS);
            let Some((staging, _)) = news else { continue };
            let known = by_worker.entry(lease.worker).or_insert(staging);
            if (known.of, known.here) < (staging.of, staging.here) {
                *known = staging;
            }
        }
        by_worker
    }

    fn trouble(&self) -> Option<String> {
        if self.phase != Phase::Running || !self.leases.is_empty() {
            return None;
        }
        if self.stranded.is_some() {
            let program = self.spec.manager.program().unwrap_or("the program");
            return Some(format!("no known node has `{program}`"));
        }
        let who = match self.waiting() {
            0 => return None,
            1 => "1 gridlet waits".to_owned(),
            more => format!("{more} gridlets wait"),
        };
        Some(match self.verifier.policy().quorum() {
            0 | 1 => format!("{who} for a node with a free slot"),
            quorum if self.spec.policy.homogeneous => format!(
                "{who} for another node of the same kind with a free slot, as {quorum} that are alike have to agree"
            ),
            quorum => format!(
                "{who} for another node with a free slot, as {quorum} different nodes have to agree \
                 (`--replication 1` asks for one answer)"
            ),
        })
    }

    /// Who was wrong where, by node, then gridlet.
    pub fn wrong(&self) -> Vec<WrongReport> {
        self.wrong
            .iter()
            .map(|((node, gridlet), wrong)| WrongReport {
                node: *node,
                gridlet: *gridlet,
                cells: wrong.cells,
                area: wrong.area.clone(),
                fault: wrong.fault.clone(),
            })
            .collect()
    }

    /// What each worker did, and does.
    pub fn workers(&self, now: Time) -> Vec<WorkerReport> {
        let mut staging = self.staging(now);
        self.workers
            .iter()
            .map(|(node, worker)| WorkerReport {
                node: *node,
                leases: worker.leases,
                granted: worker.granted,
                answers: worker.answers,
                right: worker.right,
                wrong: worker.wrong,
                failures: worker.failures,
                staging: staging.remove(node),
                out: if worker.barred {
                    Some("sent no valid result")
                } else if worker.broken {
                    Some("fails at everything")
                } else if worker.missing_program {
                    Some("hasn't the program")
                } else {
                    None
                },
            })
            .collect()
    }

    /// Gridlets from `first`, at most `count`.
    pub fn gridlets(&self, first: u32, count: u32) -> Vec<GridletReport> {
        let end = self.layout.len().min(first.saturating_add(count));
        (first..end)
            .map(GridletId)
            .map(|id| {
                let cells = self.gridlet(id).cells.volume() as u32;
                GridletReport {
                    id,
                    cells,
                    accepted: cells - self.remaining[id.index()],
                    workers: self
                        .by_gridlet
                        .get(&id)
                        .into_iter()
                        .flatten()
                        .map(|attempt| self.leases[attempt].worker)
                        .collect(),
                }
            })
            .collect()
    }

    /// The class accepted for a cell, if any yet.
    pub fn accepted_class(&self, cell: CellId) -> Option<outlast_verify::Class> {
        self.verifier.accepted_class(cell)
    }
}
