//! The story of a gridlet.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why the cells of a gridlet were decided as they were, or are not yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The job's number.
    pub job: String,
    /// The gridlet's.
    pub gridlet: u32,
    /// What it computes.
    pub atoms: String,
    /// Its cells: points at which answers are compared.
    pub cells: u32,
    /// Of those, accepted.
    pub accepted: u32,
    /// What happened, in order.
    pub scenes: Vec<Scene>,
    /// More happened than is told here.
    pub cut: bool,
}

/// Something that happened to cells of a gridlet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scene {
    /// What.
    pub kind: SceneKind,
    /// Whose doing it was, if a node's.
    pub node: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The cells, by number; none if it is about the node alone.
    pub cells: Vec<u32>,
    /// The same in words.
    pub text: String,
}

/// Kinds of [`Scene`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SceneKind {
    /// Cells were given to a node.
    Granted,
    /// Decided cells were given to a node as if they were new.
    Quizzed,
    /// A node answered.
    Answered,
    /// A node gave cells back, or lost them.
    Released,
    /// A sample was asked for.
    SampleWanted,
    /// It was computed, and compared.
    Sampled,
    /// It couldn't be computed.
    SampleFailed,
    /// A node isn't believed any more.
    Struck,
    /// A node sent what is no result.
    Barred,
    /// Cells were accepted.
    Accepted,
    /// What was accepted is open again.
    Retracted,
    /// Answers are held wrong.
    Wrong,
    /// Only the submitter can decide.
    Hopeless,
}
