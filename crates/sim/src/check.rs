//! What must hold after each event, whatever happens. It watches what becomes durable and what leaves a node,
//! and keeps its own books, across all lives of the submitters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outlast_gridlet::{ApplicationManager, CellOutput};
use outlast_job::wire::{Message, ToWorker};
use outlast_job::{Coordinator, JobSpec, Record};
use outlast_types::{Attempt, CellId, JobId, NodeId, Region};
use outlast_verify::Class;

use crate::app::Toy;
use crate::host::{JobDisk, Shelf};

/// A lease as the journal knows it.
struct Grant {
    worker: NodeId,
    cells: BTreeSet<CellId>,
    voted: BTreeSet<CellId>,
    released: bool,
}

struct Job {
    submitter: NodeId,
    toy: Arc<Toy>,
    /// Boxes of cells, by gridlet.
    boxes: Vec<Region>,
    grants: BTreeMap<Attempt, Grant>,
    accepted: BTreeMap<CellId, Class>,
}

impl Job {
    fn grant(
        &mut self,
        attempt: Attempt,
        worker: NodeId,
        cells: BTreeSet<CellId>,
    ) -> Result<(), String> {
        let last = self.grants.keys().next_back();
        if last.is_some_and(|last| *last >= attempt) {
            return Err(format!("attempt {attempt} granted after {last:?}"));
        }
        let grant = Grant { worker, cells, voted: BTreeSet::new(), released: false };
        self.grants.insert(attempt, grant);
        Ok(())
    }
}

/// See the module.
pub(crate) struct Checker {
    jobs: BTreeMap<JobId, Job>,
    right: bool,
    violation: Option<String>,
}

impl Checker {
    pub(crate) fn new(right: bool) -> Self {
        Self { jobs: BTreeMap::new(), right, violation: None }
    }

    /// The first thing that should never happen and did.
    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.violation.get_or_insert_with(|| what.into());
    }

    pub(crate) fn submitted(&mut self, spec: &JobSpec, submitter: NodeId, toy: Arc<Toy>) {
        let id = spec.id;
        let mut boxes: Vec<Region> = spec.layers.iter().flatten().cloned().collect();
        if boxes.is_empty() {
            boxes = toy.gridlets().iter().map(|gridlet| gridlet.cells.clone()).collect();
        }
        let (grants, accepted) = (BTreeMap::new(), BTreeMap::new());
        let job = Job { submitter, toy, boxes, grants, accepted };
        self.jobs.insert(id, job);
    }

    /// A record became durable.
    pub(crate) fn recorded(&mut self, id: JobId, record: &Record) {
        if let Err(what) = self.record(id, record) {
            self.fail(format!("job {id}: {what}"));
        }
    }

    fn record(&mut self, id: JobId, record: &Record) -> Result<(), String> {
        let Some(job) = self.jobs.get_mut(&id) else { return Err("a job of nobody".to_owned()) };
        match record {
            Record::Granted { attempt, gridlet, worker, cells, .. } => {
                let cells: BTreeSet<CellId> = if cells.is_empty() {
                    let whole = &job.boxes[gridlet.index()];
                    job.toy.grid().cells_in(whole).collect()
                } else {
                    cells.iter().copied().collect()
                };
                if let Some(cell) = cells.iter().find(|cell| job.accepted.contains_key(cell)) {
                    return Err(format!("cell {cell} is accepted and granted under {attempt}"));
                }
                job.grant(*attempt, *worker, cells)?;
            }
            Record::Quizzed { attempt, worker, cells, .. } => {
                let cells: BTreeSet<CellId> = cells.iter().copied().collect();
                if let Some(cell) = cells.iter().find(|cell| !job.accepted.contains_key(cell)) {
                    return Err(format!("cell {cell} is a quiz and not decided"));
                }
                job.grant(*attempt, *worker, cells)?;
            }
            Record::Votes { attempt, votes } => {
                let Some(grant) = job.grants.get_mut(attempt) else {
                    return Err(format!("votes under {attempt}, which was never granted"));
                };
                if grant.released {
                    return Err(format!("votes under {attempt}, which has ended"));
                }
                for (cell, ..) in votes {
                    if !grant.cells.contains(cell) {
                        return Err(format!("a vote for {cell}, which isn't under {attempt}"));
                    }
                    if !grant.voted.insert(*cell) {
                        return Err(format!("two votes for {cell} under {attempt}"));
                    }
                }
            }
            Record::Released { attempt } => {
                let Some(grant) = job.grants.get_mut(attempt) else {
                    return Err(format!("{attempt} ended and was never granted"));
                };
                if std::mem::replace(&mut grant.released, true) {
                    return Err(format!("{attempt} ended twice"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The output is to be written.
    pub(crate) fn merging(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        let missing = job.toy.grid().cells() as usize - job.accepted.len();
        if missing > 0 {
            self.fail(format!("job {id} is merged with {missing} cells not accepted"));
        }
    }

    /// A frame leaves a node.
    pub(crate) fn sent(&mut self, from: NodeId, to: NodeId, message: &Message) {
        let Message::ToWorker(id, message) = message else { return };
        let Some(job) = self.jobs.get(id).filter(|job| job.submitter == from) else { return };
        let what = match message {
            ToWorker::Lease { attempt, .. } => match job.grants.get(attempt) {
                Some(grant) if grant.worker == to && !grant.released => return,
                _ => format!("a lease leaves under {attempt}, which {to:?} doesn't durably hold"),
            },
            ToWorker::Ack { attempt, cells } => match job.grants.get(attempt) {
                Some(grant) if cells.iter().all(|cell| grant.voted.contains(cell)) => return,
                _ => format!("answers under {attempt} are acknowledged and not safe: {cells:?}"),
            },
            _ => return,
        };
        self.fail(format!("job {id}: {what}"));
    }

    /// A cell is accepted, and its output is on disk, or should be.
    pub(crate) fn accepted(
        &mut self,
        id: JobId,
        cell: CellId,
        class: Class,
        output: Option<&CellOutput>,
        blobs: &Shelf,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let before = job.accepted.insert(cell, class);
        let what = match output {
            _ if before.is_some() => format!("cell {cell} accepted twice: {before:?}, {class:?}"),
            None => format!("class {} of cell {cell} is accepted and not stored", class.0),
            Some(output) if self.right && !job.toy.is_right(output, blobs) => {
                format!("a wrong answer for cell {cell} is accepted")
            }
            Some(_) => return,
        };
        self.fail(format!("job {id}: {what}"));
    }

    /// A sample is asked for: whoever answers in its gridlet is bound to what it said, for all of it is on disk. That is
    /// what a commitment is for (Du et al.), and no worker can know the cell before.
    pub(crate) fn sampled(&mut self, id: JobId, cell: CellId, disk: &JobDisk) {
        let grid = disk.spec.manager.grid();
        let boxes = disk.spec.manager.gridlets().iter().map(|gridlet| &gridlet.cells);
        // Where replicas are cut differently, samples are drawn in the gridlets of the first layer.
        let boxes: Vec<&Region> = match disk.spec.layers.first() {
            Some(layer) => layer.iter().collect(),
            None => boxes.collect(),
        };
        let of = |cells: &&&Region| grid.cells_in(cells).any(|c| c == cell);
        let Some(cells) = boxes.iter().find(of) else { return };
        let unbound = grid.cells_in(cells).find(|cell| {
            disk.outputs.range((*cell, Class(0))..=(*cell, Class(u16::MAX))).next().is_none()
        });
        if let Some(unbound) = unbound {
            self.fail(format!(
                "job {id}: cell {cell} is to be sampled, and nobody's answer for {unbound} is kept yet"
            ));
        }
    }

    /// A cell is open again: only after a node was struck for a lie.
    pub(crate) fn retracted(&mut self, id: JobId, cell: CellId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.accepted.remove(&cell).is_none() {
            self.fail(format!("job {id}: cell {cell} is retracted and wasn't accepted"));
        }
    }

    /// A submitter is back, with this coordinator. Hands out what it accepts that wasn't seen accepted: it died
    /// between the vote and the news.
    pub(crate) fn resumed(&mut self, id: JobId, back: &Coordinator) -> Vec<(CellId, Class)> {
        let Some(job) = self.jobs.get(&id) else { return Vec::new() };
        let mut news = Vec::new();
        let mut wrong = None;
        for cell in (0..job.toy.grid().cells()).map(CellId) {
            match (job.accepted.get(&cell), back.accepted_class(cell)) {
                (None, Some(class)) => news.push((cell, class)),
                (before, after) if before == after.as_ref() => {}
                (before, after) => wrong = Some((cell, before.copied(), after)),
            }
        }
        if let Some((cell, before, after)) = wrong {
            self.fail(format!("job {id}: cell {cell} was {before:?}, after a restart {after:?}"));
        }
        news
    }
}
