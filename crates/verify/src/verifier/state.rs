//! What is kept for each cell, worker and answer.
//!
//! ```text
//!           decided             seal
//!   Open ────────────▶ Accepted ─────▶ Sealed
//!    ▲                    │
//!    └── retracted: who it hung on ──┘
//!        was proven a liar
//! ```
//!
//! A job may have millions of cells. A cell is 12 bytes, and 4 in its group's list; an answer or a
//! lease is a [`Link`] of 24 bytes, in one chain with the others of its cell, and in one with the others
//! of its worker, since a liar's answers have to be found without looking at all. Links are freed when
//! a cell is sealed, and used again. 10 million cells with two answers each: 640 MB while they can
//! still be retracted, 160 MB when they are sealed as they are decided.

use outlast_types::NodeId;

use super::Class;

/// A worker, interned: its number in [`Book::workers`].
pub(super) type Worker = u32;

/// No link.
const NONE: u32 = 0;

/// How far a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Undecided.
    Open,
    /// Decided; the answers are kept.
    Accepted,
    /// Decided for good; only those are kept who still compute it.
    Sealed,
}

/// Only the submitter's own answer helps.
pub(super) const HOPELESS: u8 = 1;
/// A sample of it is being computed.
pub(super) const PENDING: u8 = 2;
/// A sample of it was compared: later answers are compared with it by the caller.
pub(super) const SAMPLED: u8 = 4;
/// A sample of it can't be computed.
pub(super) const UNSAMPLED: u8 = 8;
/// Accepted on a trusted node's answer.
pub(super) const BY_TRUSTED: u8 = 16;
/// What is accepted was checked: fit for a quiz.
pub(super) const PROVEN: u8 = 32;
/// One answer decides it: it is in the part of a relaxed plan that nobody does again.
pub(super) const SINGLE: u8 = 64;

/// One cell of the job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) group: u32,
    head: u32,
    /// What is accepted; means nothing while open.
    pub(super) class: Class,
    pub(super) phase: Phase,
    pub(super) flags: u8,
}

impl Cell {
    pub(super) const NOWHERE: Self =
        Self { group: u32::MAX, head: NONE, class: Class(0), phase: Phase::Open, flags: 0 };

    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }
}

/// Where the sampling of a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Some cells have no vote yet: to choose now would tell a worker where it may lie.
    Gathering,
    /// So many samples are being computed; the votes wait for them.
    Sampling(u32),
    /// Nothing to wait for.
    Done,
}

/// The cells of one gridlet: a range of `Verifier::members`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) start: u32,
    pub(super) len: u32,
    /// Cells that hold up the choice of samples: undecided, not given up, without a counted vote.
    /// Kept only while gathering.
    pub(super) unvoted: u32,
    pub(super) stage: Stage,
}

/// What one worker has to do with one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Holds a lease and has not answered.
    Leased,
    /// Its vote counts.
    Counted,
    /// Its vote does not count any more.
    Void,
    /// As void, and it was proven wrong.
    Condemned,
    /// Holds a lease that is a quiz.
    Quiz,
    /// Had a quiz and gave it back: it knows the cell, and shall not see it twice.
    Seen,
}

/// Its answer was called right or wrong since the cell was last open.
pub(super) const JUDGED: u8 = 1;
/// A sample agrees with its answer.
pub(super) const CHECKED: u8 = 2;
/// It was called wrong because it contradicts a quiz's known answer: once is enough.
pub(super) const QUIZZED: u8 = 4;

/// One worker's answer to, or lease for, one cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) cell: u32,
    pub(super) worker: Worker,
    /// In the cell's chain.
    next: u32,
    /// In the worker's chain.
    before: u32,
    after: u32,
    pub(super) class: Class,
    pub(super) kind: Kind,
    pub(super) flags: u8,
}

impl Link {
    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Nobody has answered under it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.kind, Kind::Leased | Kind::Quiz)
    }
}

/// What is known of a worker here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) node: NodeId,
    head: u32,
    /// Odds that its next answer is wrong; `None`: nobody said, so those of the population.
    pub(super) odds: Option<f32>,
    /// What `odds` were when its open cells were last looked at.
    pub(super) settled: f32,
    /// Share of its gridlets that are checked.
    pub(super) check: f32,
    /// Those of one clique have one voice; 0: it has its own.
    pub(super) clique: u32,
    pub(super) struck: bool,
    pub(super) trusted: bool,
}

/// Cells, workers, and what each has to do with each.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) cells: Vec<Cell>,
    pub(super) workers: Vec<Known>,
    /// The first one is none.
    links: Vec<Link>,
    /// The first of the free ones, chained by `next`.
    free: u32,
    in_use: usize,
}

impl Book {
    pub(super) fn new(cells: Vec<Cell>) -> Self {
        let none = Link {
            cell: u32::MAX,
            worker: u32::MAX,
            next: NONE,
            before: NONE,
            after: NONE,
            class: Class(0),
            kind: Kind::Seen,
            flags: 0,
        };
        Self { cells, workers: Vec::new(), links: vec![none], free: NONE, in_use: 0 }
    }

    pub(super) fn add_worker(&mut self, node: NodeId, trusted: bool) -> Worker {
        self.workers.push(Known {
            node,
            head: NONE,
            odds: None,
            settled: f32::INFINITY,
            check: 1.0,
            clique: 0,
            struck: false,
            trusted,
        });
        self.workers.len() as Worker - 1
    }

    pub(super) fn cell(&self, cell: u32) -> &Cell {
        &self.cells[cell as usize]
    }

    pub(super) fn cell_mut(&mut self, cell: u32) -> &mut Cell {
        &mut self.cells[cell as usize]
    }

    pub(super) fn link(&self, link: u32) -> &Link {
        &self.links[link as usize]
    }

    pub(super) fn link_mut(&mut self, link: u32) -> &mut Link {
        &mut self.links[link as usize]
    }

    /// The answers and leases of a cell, in the order they came.
    pub(super) fn of_cell(&self, cell: u32) -> impl Iterator<Item = (u32, &Link)> {
        let mut at = self.cells[cell as usize].head;
        std::iter::from_fn(move || {
            let link = at;
            let found = (link != NONE).then(|| &self.links[link as usize])?;
            at = found.next;
            Some((link, found))
        })
    }

    /// The links of a worker, the latest first.
    pub(super) fn of_worker(&self, worker: Worker) -> impl Iterator<Item = &Link> {
        let mut at = self.workers[worker as usize].head;
        std::iter::from_fn(move || {
            let found = (at != NONE).then(|| &self.links[at as usize])?;
            at = found.after;
            Some(found)
        })
    }

    pub(super) fn find(&self, cell: u32, worker: Worker) -> Option<u32> {
        self.of_cell(cell).find(|(_, link)| link.worker == worker).map(|(at, _)| at)
    }

    /// The worker's link to the cell, made if it had none.
    pub(super) fn enter(&mut self, cell: u32, worker: Worker, kind: Kind, class: Class) -> u32 {
        let link = self.find(cell, worker).unwrap_or_else(|| self.add(cell, worker));
        let entry = self.link_mut(link);
        (entry.kind, entry.class) = (kind, class);
        link
    }

    fn add(&mut self, cell: u32, worker: Worker) -> u32 {
        let after = self.workers[worker as usize].head;
        let last = self.of_cell(cell).last().map(|(at, _)| at);
        let entry = Link {
            cell,
            worker,
            next: NONE,
            before: NONE,
            after,
            class: Class(0),
            kind: Kind::Leased,
            flags: 0,
        };
        let at = match self.free {
            NONE => {
                self.links.push(entry);
                self.links.len() as u32 - 1
            }
            free => {
                self.free = self.links[free as usize].next;
                self.links[free as usize] = entry;
                free
            }
        };
        match last {
            None => self.cells[cell as usize].head = at,
            Some(last) => self.links[last as usize].next = at,
        }
        if after != NONE {
            self.links[after as usize].before = at;
        }
        self.workers[worker as usize].head = at;
        self.in_use += 1;
        at
    }

    pub(super) fn remove(&mut self, at: u32) {
        let Link { cell, worker, next, before, after, .. } = self.links[at as usize];
        let previous =
            self.of_cell(cell).find(|(_, link)| link.next == at).map(|(previous, _)| previous);
        match previous {
            None => self.cells[cell as usize].head = next,
            Some(previous) => self.links[previous as usize].next = next,
        }
        if after != NONE {
            self.links[after as usize].before = before;
        }
        match before {
            NONE => self.workers[worker as usize].head = after,
            before => self.links[before as usize].after = after,
        }
        self.links[at as usize].next = self.free;
        self.free = at;
        self.in_use -= 1;
    }

    /// Links that are in use.
    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }

    /// Links that there ever were at a time.
    #[cfg(test)]
    pub(super) fn high_water(&self) -> usize {
        self.links.len() - 1
    }
}
