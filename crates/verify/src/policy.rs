//! How much redundancy a job buys, what decides it, and when it is handed out (GINGER, section 3.2).
//!
//! A [`Policy`] says nothing about one application: which answers agree is the comparator's matter,
//! and what can be computed of a job is the caller's, who tells it to [`Policy::validate`] with
//! [`Limits`]. What passes there can be decided; what doesn't is refused before anything runs.

use serde::{Deserialize, Serialize};

use crate::Partitioning;

/// When the replicas of a cell are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Another replica only while the answers so far leave no decision: one first, the others when
    /// its answer is there. No execution beyond what the decision needs, and colluders seldom hold
    /// the same cell at the same time, so they can't agree on a lie while they compute
    /// (GINGER 3.2, "Incremental Replication"). Costs latency on a grid that has idle nodes.
    #[default]
    Incremental,
    /// As many replicas as the decision needs at once: fastest on an idle grid.
    AllAtOnce,
    /// One of the two, by load: see [`Load`](crate::Load).
    Auto,
}

/// What decides a cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Decision {
    /// More than half of the answers agree: of `replication`, or of as many as there are, if those
    /// leave no majority.
    Majority {
        /// How many answers are asked for.
        replication: u8,
    },
    /// m-first voting: so many agree, whatever the others say.
    First {
        /// Sarmenta's m.
        matching: u8,
    },
    /// The answer is wrong with at most this probability, as far as the records of those who gave it
    /// tell (Sarmenta 2002, sections 4 and 5; see the module `credibility`).
    Credibility {
        /// Sarmenta's ε: the accepted share of wrong results. 0: only what was checked is accepted.
        max_error: f64,
    },
}

/// What a cell's answers need before one is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// What decides a cell.
    pub decision: Decision,
    /// Answers to one cell after which its decision is given up: a bound on the work that liars,
    /// or a program whose results differ from run to run, can burn.
    pub max_answers: u8,
    /// Samples: cells of a sampled gridlet that the submitter computes a piece of; 0 for none.
    pub samples: u8,
    /// Which gridlets are sampled: all (1.0), or a random share. For [`Decision::Credibility`] it is
    /// the least share: newcomers are checked more.
    pub sample_rate: f32,
    /// Share of leases that are quizzes: gridlets whose answer is known already, given out as if
    /// they were new.
    pub quizzes: f32,
    /// When replicas are handed out.
    pub schedule: Schedule,
    /// How the work is cut for its replicas.
    pub partitioning: Partitioning,
    /// Replicas only on nodes that are alike.
    pub homogeneous: bool,
}

/// What a job and its grid can do. The default forbids nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Distinct nodes that may answer; `None`: not known, or more may come.
    pub nodes: Option<u32>,
    /// Axes along which the job has at least two cells.
    pub dimensions: u32,
    /// Cells of the longest gridlet along its longest side: a shift by less than a cell is none. Shorter
    /// gridlets (the sound of a film, the last rows of a picture) are cut in fewer places, or alike.
    pub gridlet_cells: u32,
    /// Whether the submitter can compute pieces of the job itself.
    pub can_sample: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes: None, dimensions: u32::MAX, gridlet_cells: u32::MAX, can_sample: true }
    }
}

/// A policy that can't decide anything, or not this job.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// A quorum of nobody would accept what nobody answered.
    #[error("a quorum of 0 answers, expected at least 1")]
    NoQuorum,
    /// The decision can't be reached.
    #[error("at most {found} answers for a cell, expected at least the quorum of {quorum}")]
    TooFewAnswers {
        /// The answers that the decision asks for.
        quorum: u8,
        /// The answers allowed.
        found: u8,
    },
    /// No probability that could be asked for.
    #[error("an error of at most {found}, expected a number of at least 0 and below 0.5")]
    BadError {
        /// What was asked for.
        found: f64,
    },
    /// Certainty that nothing could give.
    #[error(
        "no error at all (0), which only checks by this node can promise, but no samples; \
         expected an error above 0, such as 0.001, or at least 1 sample"
    )]
    CertainWithoutSamples,
    /// No share.
    #[error("a share of {found} {what}, expected a number from 0 to 1")]
    BadShare {
        /// Of what.
        what: &'static str,
        /// What was asked for.
        found: f32,
    },
    /// Nothing would be redundant, or more than all.
    #[error("{found} % of the work done again, expected from 1 to 99")]
    BadPercent {
        /// What was asked for.
        found: u8,
    },
    /// Two nodes at least have to answer, and there are fewer.
    #[error(
        "answers from {wanted} different nodes, but only {found} can give one; expected at most \
         {found} (or more nodes in the grid)"
    )]
    TooFewNodes {
        /// Answers that the decision asks for.
        wanted: u32,
        /// Nodes.
        found: u32,
    },
    /// There is nothing to cross.
    #[error(
        "a meshed partitioning of work that can be cut along {found} axis only, expected 2 or more; \
         `overlapped` works along one"
    )]
    NoMesh {
        /// Axes of at least two cells.
        found: u32,
    },
    /// Shifts of less than a cell.
    #[error(
        "{replicas} overlapped replicas of gridlets of {found} cells, expected at most {found} \
         replicas, or larger gridlets: each replica begins at another cell"
    )]
    NoRoomToShift {
        /// Layers.
        replicas: u32,
        /// Cells along the side that is cut.
        found: u32,
    },
    /// Replicas cut differently, of which there is only one.
    #[error(
        "a partitioning of replicas, but one answer is enough for a decision; expected a replication \
         of at least 2, or the partitioning `standard`"
    )]
    NothingToCompare,
}

impl Policy {
    /// m-first voting with this quorum, the other settings as by default. `2 * quorum + 3` answers:
    /// a quorum of colluders less one, as many honest ones, and four more for the accidents of a
    /// grid (a crash that corrupts a file, a node with another version of the program).
    pub fn with_quorum(quorum: u8) -> Self {
        Self {
            decision: Decision::First { matching: quorum },
            max_answers: quorum.saturating_mul(2).saturating_add(3),
            samples: 1,
            sample_rate: 1.0,
            quizzes: 0.0,
            schedule: Schedule::Incremental,
            partitioning: Partitioning::Standard,
            homogeneous: false,
        }
    }

    /// More than half of `replication` answers, the other settings as by default.
    pub fn with_majority(replication: u8) -> Self {
        Self { decision: Decision::Majority { replication }, ..Self::with_quorum(replication) }
    }

    /// Credibility, the other settings as by default: newcomers are checked, those who passed are
    /// sampled now and then.
    pub fn with_max_error(max_error: f64) -> Self {
        Self {
            decision: Decision::Credibility { max_error },
            max_answers: CREDIBLE_ANSWERS,
            sample_rate: LEAST_RATE,
            ..Self::with_quorum(2)
        }
    }

    /// Agreeing answers of workers that are all alike, without which no cell is accepted. 1 for
    /// credibility: one answer of a worker with a good record may do.
    pub fn quorum(&self) -> u8 {
        match self.decision {
            Decision::Majority { replication } => replication / 2 + u8::from(replication > 0),
            Decision::First { matching } => matching,
            Decision::Credibility { .. } => 1,
        }
    }

    /// Replicas that the work is cut for: layers of a partitioning.
    pub fn replicas(&self) -> u8 {
        match self.decision {
            Decision::Majority { replication } => replication,
            Decision::First { matching } => matching,
            // How many it will be depends on who answers; a second opinion is the usual case.
            Decision::Credibility { .. } => 2,
        }
    }

    /// Whether a job can be decided under it.
    ///
    /// # Errors
    /// What is impossible, and what would work instead.
    pub fn validate(&self, limits: &Limits) -> Result<(), PolicyError> {
        let asked = match self.decision {
            Decision::Majority { replication } => replication,
            Decision::First { matching } => matching,
            Decision::Credibility { max_error } => {
                if !(0.0..0.5).contains(&max_error) {
                    return Err(PolicyError::BadError { found: max_error });
                }
                if max_error == 0.0 && (self.samples == 0 || !limits.can_sample) {
                    return Err(PolicyError::CertainWithoutSamples);
                }
                1
            }
        };
        if asked == 0 {
            return Err(PolicyError::NoQuorum);
        }
        if self.max_answers < asked {
            return Err(PolicyError::TooFewAnswers { quorum: asked, found: self.max_answers });
        }
        for (what, found) in [("sampled gridlets", self.sample_rate), ("quizzes", self.quizzes)] {
            if !(0.0..=1.0).contains(&found) {
                return Err(PolicyError::BadShare { what, found });
            }
        }
        if let Some(found) = limits.nodes.filter(|&nodes| nodes < u32::from(asked)) {
            return Err(PolicyError::TooFewNodes { wanted: asked.into(), found });
        }
        self.validate_partitioning(limits)
    }

    fn validate_partitioning(&self, limits: &Limits) -> Result<(), PolicyError> {
        if self.partitioning == Partitioning::Standard {
            return Ok(());
        }
        if self.replicas() < 2 {
            return Err(PolicyError::NothingToCompare);
        }
        match self.partitioning {
            Partitioning::Relaxed { percent } if !(1..=99).contains(&percent) => {
                Err(PolicyError::BadPercent { found: percent })
            }
            Partitioning::Overlapped | Partitioning::Relaxed { .. }
                if u32::from(self.replicas()) > limits.gridlet_cells =>
            {
                let replicas = self.replicas().into();
                Err(PolicyError::NoRoomToShift { replicas, found: limits.gridlet_cells })
            }
            Partitioning::Meshed if limits.dimensions < 2 => {
                Err(PolicyError::NoMesh { found: limits.dimensions })
            }
            _ => Ok(()),
        }
    }
}

/// Answers to a cell under credibility before it is given up: at the worst population that the
/// design's figures are given for (35 % colluders), nine strangers who agree are enough for an
/// error of 0.004, and a few liars among them are overruled.
const CREDIBLE_ANSWERS: u8 = 15;

/// Share of gridlets of trusted workers that are checked under credibility: never none, since who
/// knew that nobody looks could lie at will.
const LEAST_RATE: f32 = 0.02;

impl Default for Policy {
    fn default() -> Self {
        Self::with_quorum(2)
    }
}

#[cfg(test)]
mod tests;
