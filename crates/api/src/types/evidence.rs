//! Why a node is believed as far as it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a node's credibility rests on, as the node that was asked has seen it. Counted are gridlets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Evidence {
    /// What is believed of a newcomer here: 1 less the share of liars that was learned.
    pub newcomer: f64,
    /// Checks that it passed, weighted by how much each kind says and how long ago it was.
    pub checks: f64,
    /// Accepted, and others said the same.
    pub agreed: u64,
    /// Accepted, and a sample said the same.
    pub sampled: u64,
    /// Quizzes that it passed.
    pub quizzes: u64,
    /// Accepted, and a trusted node said the same.
    pub trusted: u64,
    /// Answers against which others agreed.
    pub outvoted: u64,
    /// Answers proven wrong: by a sample, a quiz, or a trusted node.
    pub proven_wrong: u64,
    /// Who gave the same wrong answers; at most [`MATES`](crate::limits::MATES), the most frequent first.
    pub mates: Vec<Mate>,
}

/// A node that was wrong in the same way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mate {
    /// Its key.
    pub node: String,
    /// Its name, if it is known.
    pub name: String,
    /// In how many gridlets.
    pub times: u32,
}
