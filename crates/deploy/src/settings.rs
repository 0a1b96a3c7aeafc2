//! What services change: how the nodes of a job are to be treated.

use std::collections::BTreeMap;

use outlast_gridlet::compare::Comparator;
use outlast_types::{CellGrid, NodeId, Region};
use outlast_verify::Policy;

/// How the nodes of a job are to be treated: what services write, and others read.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// What is known of the job and the grid.
    pub facts: Facts,
    /// How its answers are verified.
    pub verification: Verification,
    /// Variables for its program on every node, above those of the job.
    pub env: BTreeMap<String, String>,
}

/// What is known of a job before any node works on it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its application.
    pub app: String,
    /// Its cells.
    pub grid: CellGrid,
    /// Its gridlets, as boxes of cells.
    pub gridlets: Vec<Region>,
    /// How many samples of a gridlet the application takes if nobody says; `None`: none can be.
    pub samples: Option<u8>,
    /// Distinct nodes that may work on it, as far as is known; `None`: they weren't counted.
    pub nodes: Option<u32>,
    /// Keys of nodes, for those that are named by the beginning of one.
    pub known: Vec<NodeId>,
}

/// How the answers of a job are verified.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// What is bought and when.
    pub policy: Policy,
    /// How two answers are compared; `None`: the application's way.
    pub comparator: Option<Comparator>,
    /// Nodes whose answers count like the submitter's own, in ascending order.
    pub trusted: Vec<NodeId>,
}

impl NodeSettings {
    /// Nothing is decided yet.
    pub fn new(facts: Facts) -> Self {
        Self { facts, verification: Verification::default(), env: BTreeMap::new() }
    }
}
