//! One after the other.

use outlast_types::NodeId;

use crate::{Candidate, Policy};

/// Candidates in the order of their ids, each in turn, whatever they offer. The baseline that other
/// policies are measured against.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    last: Option<NodeId>,
}

impl Policy for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn choose(&mut self, candidates: &[Candidate<'_>], _cost: f64) -> Option<usize> {
        // The next above the last one, else the lowest. By id and not by place: candidates come and go.
        let last = self.last;
        let (place, chosen) = candidates
            .iter()
            .enumerate()
            .min_by_key(|(_, candidate)| (Some(candidate.node) <= last, candidate.node))?;
        self.last = Some(chosen.node);
        Some(place)
    }
}
