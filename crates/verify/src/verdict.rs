//! What the verifier says, and what it counts.

use outlast_types::{CellId, NodeId};
use serde::{Deserialize, Serialize};

/// Answers for one cell that agree are one class. The caller numbers them for each cell, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Class(pub u16);

/// Why a cell was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum How {
    /// So many workers agreed.
    Quorum(u8),
    /// The records of those who answered make it probable enough.
    Credible,
    /// The submitter, or another trusted node, computed it itself.
    Trusted,
    /// Enough workers agreed, but at least as many had given an answer that a sample refuted:
    /// without the sample the votes would have chosen otherwise.
    Sampled,
}

/// Why an answer is held wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Proof {
    /// Others agreed on another answer. Evidence, not proof: they may have colluded.
    Outvoted,
    /// It contradicts an answer that was known, and proven, before it was asked for.
    Quiz,
    /// It contradicts what the submitter computed of this cell.
    Sample,
    /// It contradicts the submitter's own answer.
    Trusted,
}

/// Why an answer is held right, which says how much its author's record gains by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Basis {
    /// Nobody else said so: it was accepted for its author's record, which it can't improve.
    Alone,
    /// Others agree. Evidence, not proof: they may have colluded.
    Agreed,
    /// The answer was known.
    Quiz,
    /// A trusted node's own answer is the same.
    Trusted,
}

/// What follows from the answers and samples so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The cell is decided. Once for each cell, and once more after each [`Verdict::Retracted`].
    Accepted {
        /// The cell.
        cell: CellId,
        /// The accepted answers.
        class: Class,
        /// What decided it.
        how: How,
    },
    /// A cell that was accepted on the word of somebody proven a liar since is open again: without
    /// him it would not have been accepted. Never for a sealed cell.
    Retracted {
        /// The cell.
        cell: CellId,
        /// What was accepted; it may be again.
        class: Class,
        /// Whose word counts no longer.
        because: NodeId,
    },
    /// The worker's answer was the accepted one. Once for each answer and acceptance.
    Right {
        /// Who answered.
        worker: NodeId,
        /// Which cell.
        cell: CellId,
        /// What speaks for it.
        basis: Basis,
    },
    /// A sample of the cell agrees with the worker's answer, whatever will be accepted. Once for each
    /// answer.
    Passed {
        /// Who answered.
        worker: NodeId,
        /// Which cell.
        cell: CellId,
    },
    /// Two workers gave the same answer, and it is held wrong: see
    /// [`Ledger::suspects`](crate::Ledger::suspects).
    Together {
        /// The one who was found wrong now.
        worker: NodeId,
        /// One of those who were before.
        other: NodeId,
        /// Which cell.
        cell: CellId,
        /// What speaks against their answer.
        proof: Proof,
    },
    /// The worker's answer is held wrong. Once for each answer and acceptance.
    Wrong {
        /// Who answered.
        worker: NodeId,
        /// Which cell.
        cell: CellId,
        /// What speaks against it.
        proof: Proof,
    },
    /// The submitter should compute a sample of this cell, and report it with
    /// [`Verifier::sampled`](crate::Verifier::sampled).
    SampleWanted {
        /// The cell to sample.
        cell: CellId,
        /// Chooses the points inside the cell; workers can't predict it.
        seed: u64,
    },
    /// So many answers and no decision: only the submitter's own answer helps. Once for each cell.
    Hopeless {
        /// The cell.
        cell: CellId,
    },
}

/// Counters of one job's verification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Answers taken, also late and void ones.
    pub answers: u64,
    /// Of these, answers to cells that were already accepted.
    pub late: u64,
    /// Answers dropped: a second one of the same worker, or one of a struck worker.
    pub ignored: u64,
    /// Cells accepted because enough workers agreed.
    pub accepted_quorum: u64,
    /// Cells accepted because the submitter computed them.
    pub accepted_trusted: u64,
    /// Cells accepted where a sample turned the vote.
    pub accepted_sampled: u64,
    /// Samples asked for.
    pub samples_wanted: u64,
    /// Samples that contradicted no answer.
    pub samples_passed: u64,
    /// Samples that contradicted an answer.
    pub samples_failed: u64,
    /// Samples that could not be computed, or had nothing left to compare with.
    pub samples_unavailable: u64,
    /// Samples overtaken by the submitter's own answer to the whole cell.
    pub samples_moot: u64,
    /// Answers held wrong because others agreed on another.
    pub wrong_outvoted: u64,
    /// Answers that a sample proved wrong.
    pub wrong_sample: u64,
    /// Answers that the submitter's own answer proved wrong.
    pub wrong_trusted: u64,
    /// Answers to quizzes that were right.
    pub quizzes_passed: u64,
    /// Answers to quizzes that were wrong.
    pub quizzes_failed: u64,
    /// Acceptances taken back.
    pub retracted: u64,
    /// Cells accepted because the records of those who answered make it probable enough.
    pub accepted_credible: u64,
    /// Workers struck.
    pub struck: u64,
    /// Cells given up.
    pub hopeless: u64,
    /// Answers or samples of the submitter that contradict each other or what was accepted
    /// before: the program isn't deterministic, or a quorum colluded.
    pub contradictions: u64,
}
