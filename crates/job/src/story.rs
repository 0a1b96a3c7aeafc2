//! Why the cells of a gridlet were decided as they were, read out of the job's journal.
//!
//! The journal has every fact that the coordinator acted on, so playing it again brings back each verdict at
//! the moment it fell. Nothing is written down for this, and a job that ended long ago can still say why.
//!
//! What it doesn't do: times (the journal has none), words (the shell's business).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outlast_types::{CellId, GridletId, NodeId, Time};
use outlast_verify::{Class, How, Proof, Verdict};

use crate::coordinator::{Coordinator, JobSpec};
use crate::record::Record;

/// Scenes that a story has at most; beyond it, it is cut and says so. A gridlet that many nodes
/// failed at has a long one.
pub const SCENES: usize = 4096;

/// Something that happened to cells of a gridlet.
#[derive(Clone, Debug, PartialEq)]
pub enum Scene {
    /// Cells were given to a worker.
    Granted {
        /// To whom.
        worker: NodeId,
        /// As part of this gridlet: of another layer, perhaps.
        gridlet: GridletId,
        /// Which of the cells.
        cells: Vec<CellId>,
        /// Beside a slow one.
        rival: bool,
    },
    /// Decided cells were given to a worker as if they were new.
    Quizzed {
        /// To whom.
        worker: NodeId,
        /// Which of the cells.
        cells: Vec<CellId>,
    },
    /// A worker answered.
    Answered {
        /// Who.
        worker: NodeId,
        /// The same answers have the same class, for each cell.
        class: Class,
        /// For which cells.
        cells: Vec<CellId>,
        /// It contradicts a sample that was there already.
        refuted: bool,
    },
    /// A worker gave up, went silent, or lost its lease.
    Released {
        /// Who.
        worker: NodeId,
        /// What it hadn't answered.
        cells: Vec<CellId>,
    },
    /// The submitter decided to compute something of these cells itself.
    SampleWanted {
        /// The cells.
        cells: Vec<CellId>,
    },
    /// It did.
    Sampled {
        /// The cell.
        cell: CellId,
        /// Classes that agree with it.
        right: Vec<Class>,
        /// Classes that contradict it.
        wrong: Vec<Class>,
    },
    /// It couldn't.
    SampleFailed {
        /// The cell.
        cell: CellId,
    },
    /// A worker was found to lie, here or elsewhere: its votes are void.
    Struck {
        /// Who.
        worker: NodeId,
    },
    /// A worker sent something that is no result.
    Barred {
        /// Who.
        worker: NodeId,
        /// What was wrong with it.
        why: String,
    },
    /// Cells are decided.
    Accepted {
        /// The cells.
        cells: Vec<CellId>,
        /// The accepted answers.
        class: Class,
        /// What decided them.
        how: How,
        /// Who had given that answer.
        by: Vec<NodeId>,
    },
    /// A worker's answers are held wrong.
    Wrong {
        /// Whose.
        worker: NodeId,
        /// For these cells.
        cells: Vec<CellId>,
        /// What speaks against them.
        proof: Proof,
    },
    /// What was accepted for these cells is open again.
    Retracted {
        /// The cells.
        cells: Vec<CellId>,
        /// The answers that had been accepted.
        class: Class,
        /// Whose word counts no longer.
        because: NodeId,
    },
    /// No number of answers decides these cells: only the submitter's own helps.
    Hopeless {
        /// The cells.
        cells: Vec<CellId>,
    },
}

/// What happened to a gridlet.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// Its cells, ascending.
    pub cells: Vec<CellId>,
    /// Its scenes, in order.
    pub scenes: Vec<Scene>,
    /// There were more than [`SCENES`].
    pub cut: bool,
}

/// The story of a gridlet of any layer, from all records of its job; `me` is the submitter. `None`: the job
/// has no such gridlet.
pub fn story(
    spec: Arc<JobSpec>,
    me: NodeId,
    records: Vec<Record>,
    gridlet: GridletId,
) -> Option<Story> {
    let mut coordinator = Coordinator::new(spec, me);
    let cells = coordinator.cells_of_known(gridlet)?;
    let mut teller = Teller { cells: cells.iter().copied().collect(), scenes: Vec::new() };
    for record in records {
        // Before: afterwards its lease may be forgotten.
        teller.fact(&coordinator, &record);
        let verdicts = coordinator.replay_aloud(record, Time::ZERO);
        teller.verdicts(verdicts);
        if teller.scenes.len() > SCENES {
            break;
        }
    }
    let cut = teller.scenes.len() > SCENES;
    teller.scenes.truncate(SCENES);
    Some(Story { cells, scenes: teller.scenes, cut })
}

struct Teller {
    cells: BTreeSet<CellId>,
    scenes: Vec<Scene>,
}

impl Teller {
    fn ours(&self, cells: impl IntoIterator<Item = CellId>) -> Vec<CellId> {
        cells.into_iter().filter(|cell| self.cells.contains(cell)).collect()
    }

    /// Adds a scene, unless it is about none of the cells.
    fn about(&mut self, cells: Vec<CellId>, scene: impl FnOnce(Vec<CellId>) -> Scene) {
        if !cells.is_empty() {
            self.scenes.push(scene(cells));
        }
    }

    fn fact(&mut self, coordinator: &Coordinator, record: &Record) {
        match record {
            Record::Granted { gridlet, worker, cells, rival, .. } => {
                let whole = || coordinator.cells_of_known(*gridlet).unwrap_or_default();
                let cells = if cells.is_empty() { whole() } else { cells.clone() };
                let (worker, gridlet, rival) = (*worker, *gridlet, *rival);
                let cells = self.ours(cells);
                self.about(cells, |cells| Scene::Granted { worker, gridlet, cells, rival });
            }
            Record::Votes { attempt, votes } => {
                let Some((worker, _)) = coordinator.holder(*attempt) else { return };
                let mut classes: BTreeMap<(Class, bool), Vec<CellId>> = BTreeMap::new();
                for &(cell, class, refuted) in votes {
                    classes.entry((class, refuted)).or_default().push(cell);
                }
                for ((class, refuted), cells) in classes {
                    let cells = self.ours(cells);
                    self.about(cells, |cells| Scene::Answered { worker, class, cells, refuted });
                }
            }
            Record::Released { attempt } => {
                let Some((worker, cells)) = coordinator.holder(*attempt) else { return };
                let cells = self.ours(cells);
                self.about(cells, |cells| Scene::Released { worker, cells });
            }
            Record::Sampled { cell, right, wrong } => {
                let (right, wrong) = (right.clone(), wrong.clone());
                let cells = self.ours([*cell]);
                self.about(cells, |_| Scene::Sampled { cell: *cell, right, wrong });
            }
            Record::SampleFailed { cell } => {
                let cells = self.ours([*cell]);
                self.about(cells, |_| Scene::SampleFailed { cell: *cell });
            }
            Record::Struck(worker) => {
                if self.knows(worker) {
                    self.scenes.push(Scene::Struck { worker: *worker });
                }
            }
            Record::Barred { worker, why, .. } => {
                if self.knows(worker) {
                    self.scenes.push(Scene::Barred { worker: *worker, why: why.clone() });
                }
            }
            Record::Quizzed { worker, cells, .. } => {
                let (worker, cells) = (*worker, self.ours(cells.iter().copied()));
                self.about(cells, |cells| Scene::Quizzed { worker, cells });
            }
            Record::Bound { .. }
            | Record::Believed { .. }
            | Record::Prior(_)
            | Record::Clique(_)
            | Record::Complete
            | Record::Ended { .. }
            | Record::Retried => {}
        }
    }

    /// Whether the node has had to do with these cells.
    fn knows(&self, node: &NodeId) -> bool {
        self.scenes.iter().any(|scene| match scene {
            Scene::Granted { worker, .. } | Scene::Quizzed { worker, .. } => worker == node,
            _ => false,
        })
    }

    /// Adds what followed. Verdicts of the same kind are one scene.
    fn verdicts(&mut self, verdicts: Vec<Verdict>) {
        let mut right: BTreeMap<CellId, Vec<NodeId>> = BTreeMap::new();
        let mut accepted: BTreeMap<(Class, How), Vec<CellId>> = BTreeMap::new();
        let mut wrong: BTreeMap<(NodeId, Proof), Vec<CellId>> = BTreeMap::new();
        let (mut sample, mut hopeless) = (Vec::new(), Vec::new());
        for verdict in verdicts {
            match verdict {
                Verdict::Accepted { cell, class, how } => {
                    accepted.entry((class, how)).or_default().push(cell);
                }
                Verdict::Right { worker, cell, .. } => right.entry(cell).or_default().push(worker),
                Verdict::Wrong { worker, cell, proof, .. } => {
                    wrong.entry((worker, proof)).or_default().push(cell);
                }
                Verdict::Retracted { cell, class, because } => {
                    let cells = self.ours([cell]);
                    self.about(cells, |cells| Scene::Retracted { cells, class, because });
                }
                Verdict::SampleWanted { cell, .. } => sample.push(cell),
                Verdict::Hopeless { cell } => hopeless.push(cell),
                Verdict::Passed { .. } | Verdict::Together { .. } => {}
            }
        }
        for ((class, how), cells) in accepted {
            let cells = self.ours(cells);
            let mut by: BTreeMap<Vec<NodeId>, Vec<CellId>> = BTreeMap::new();
            for cell in cells {
                by.entry(right.get(&cell).cloned().unwrap_or_default()).or_default().push(cell);
            }
            self.scenes.extend(by.into_iter().map(|(by, cells)| Scene::Accepted {
                cells,
                class,
                how,
                by,
            }));
        }
        for ((worker, proof), cells) in wrong {
            let cells = self.ours(cells);
            self.about(cells, |cells| Scene::Wrong { worker, cells, proof });
        }
        let (sample, hopeless) = (self.ours(sample), self.ours(hopeless));
        self.about(sample, |cells| Scene::SampleWanted { cells });
        self.about(hopeless, |cells| Scene::Hopeless { cells });
    }
}

#[cfg(test)]
mod tests;
