//! The job's journal: every fact that the coordinator has acted on, in order. Replaying it gives
//! the coordinator back, with the leases that were out.

use serde::{Deserialize, Serialize};

use outlast_types::{Attempt, CellId, GridletId, NodeId, Time};
use outlast_verify::Class;

use crate::coordinator::End;

/// One fact about a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// A lease went out.
    Granted {
        /// Its number; the next one is higher.
        attempt: Attempt,
        /// Of which gridlet.
        gridlet: GridletId,
        /// To whom.
        worker: NodeId,
        /// Which of the gridlet's cells; empty: all of them.
        cells: Vec<CellId>,
        /// It was granted beside another because that one is slow.
        rival: bool,
    },
    /// Replicas run on nodes of one kind only, and this gridlet is given to such a one now.
    Bound {
        /// Which.
        gridlet: GridletId,
        /// The kind.
        kind: String,
    },
    /// Answers of a lease arrived and were classed; their outputs are stored with this record.
    Votes {
        /// The lease.
        attempt: Attempt,
        /// Cell, class, and whether it contradicts a sample.
        votes: Vec<(CellId, Class, bool)>,
    },
    /// A lease ended before all its cells were answered.
    Released {
        /// The lease.
        attempt: Attempt,
    },
    /// A sample was computed and compared.
    Sampled {
        /// Its cell.
        cell: CellId,
        /// Classes that agree with it.
        right: Vec<Class>,
        /// Classes that contradict it.
        wrong: Vec<Class>,
    },
    /// A sample can't be computed.
    SampleFailed {
        /// Its cell.
        cell: CellId,
    },
    /// A worker was blacklisted; its open votes are void.
    Struck(NodeId),
    /// A worker sent something that is no result at all, and gets no more of this job.
    Barred {
        /// Who.
        worker: NodeId,
        /// In which gridlet.
        gridlet: GridletId,
        /// For which cell.
        cell: CellId,
        /// What was wrong with it.
        why: String,
    },
    /// All is accepted; the output is to be written.
    Complete,
    /// The job is over.
    Ended {
        /// How it ended.
        end: End,
        /// When.
        at: Time,
    },
    /// The output is to be written again after it couldn't be.
    Retried,
    /// How far a worker is believed from here on.
    Believed {
        /// Who.
        worker: NodeId,
        /// The probability that its next answer is right.
        credence: f64,
        /// Which share of its gridlets is checked.
        check: f64,
    },
    /// The share of liars in the population, as far as it is known from here on.
    Prior(f64),
    /// These lie together: from here on they have one voice.
    Clique(Vec<NodeId>),
    /// A lease went out as a quiz: its cells are decided already.
    Quizzed {
        /// Its number.
        attempt: Attempt,
        /// Of which gridlet.
        gridlet: GridletId,
        /// To whom.
        worker: NodeId,
        /// Which of the gridlet's cells.
        cells: Vec<CellId>,
    },
}
