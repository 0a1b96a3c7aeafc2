//! How much redundancy a job buys, and when it is handed out (GINGER, section 3.2).

use serde::{Deserialize, Serialize};

/// When the replicas of a cell are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Another replica only while the answers so far leave no quorum: one first, the others when
    /// its answer is there. No execution beyond what the quorum needs, and colluders seldom hold
    /// the same cell at the same time, so they can't agree on a lie while they compute
    /// (GINGER 3.2, "Incremental Replication"). Costs latency on a grid that has idle nodes.
    #[default]
    Incremental,
    /// As many replicas as the quorum needs at once: fastest on an idle grid.
    AllAtOnce,
}

/// What a cell's answers need before one is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Agreeing answers of distinct workers that decide a cell.
    pub quorum: u8,
    /// Answers to one cell after which the quorum is given up: a bound on the work that liars,
    /// or a program whose results differ from run to run, can burn.
    pub max_answers: u8,
    /// Cells of each gridlet that the submitter samples itself; 0 for none.
    pub samples: u8,
    /// When replicas are handed out.
    pub schedule: Schedule,
}

/// A policy that can't decide anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A quorum of nobody would accept what nobody answered.
    #[error("a quorum of 0 answers, expected at least 1")]
    NoQuorum,
    /// The quorum can't be reached.
    #[error("at most {found} answers for a cell, expected at least the quorum of {quorum}")]
    TooFewAnswers {
        /// The quorum asked for.
        quorum: u8,
        /// The answers allowed.
        found: u8,
    },
}

impl Policy {
    /// Replication with this quorum, the other settings as by default. `2 * quorum + 3` answers:
    /// a quorum of colluders less one, as many honest ones, and four more for the accidents of a
    /// grid (a crash that corrupts a file, a node with another version of the program).
    pub fn with_quorum(quorum: u8) -> Self {
        Self {
            quorum,
            max_answers: quorum.saturating_mul(2).saturating_add(3),
            samples: 1,
            schedule: Schedule::Incremental,
        }
    }

    /// Whether a job can be decided under it.
    ///
    /// # Errors
    /// If the quorum is zero or larger than `max_answers`.
    pub fn validate(&self) -> Result<(), PolicyError> {
        if self.quorum == 0 {
            return Err(PolicyError::NoQuorum);
        }
        if self.max_answers < self.quorum {
            return Err(PolicyError::TooFewAnswers {
                quorum: self.quorum,
                found: self.max_answers,
            });
        }
        Ok(())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::with_quorum(2)
    }
}

#[cfg(test)]
mod tests;
