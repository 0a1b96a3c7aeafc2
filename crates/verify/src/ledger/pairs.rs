//! Who gave the same wrong answer as whom, and how often.
//!
//! Two who are wrong in the same way once may have met by chance; twice, they hardly have, for wrong answers are
//! many and a right one is one. Bounded: the pairs that were seen least make room.

use std::collections::{BTreeMap, BTreeSet};

use outlast_types::NodeId;

/// Pairs kept: all of a clique of 45, and of a larger one enough to tie it together, since a clique needs only one
/// pair less than it has members.
const PAIRS: usize = 1024;

/// So often together makes suspects.
const SUSPICIOUS: u32 = 2;

/// See the module. A pair is in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(BTreeMap<(NodeId, NodeId), u32>);

impl Pairs {
    /// Pairs as they were saved; those that can't be are left out.
    pub(super) fn from_saved(pairs: impl IntoIterator<Item = ((NodeId, NodeId), u32)>) -> Self {
        Self(pairs.into_iter().filter(|((a, b), times)| a < b && *times > 0).take(PAIRS).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ((NodeId, NodeId), u32)> + '_ {
        self.0.iter().map(|(pair, times)| (*pair, *times))
    }

    pub(super) fn add(&mut self, one: NodeId, other: NodeId) {
        let pair = (one.min(other), one.max(other));
        if pair.0 == pair.1 {
            return;
        }
        if self.0.len() >= PAIRS && !self.0.contains_key(&pair) {
            let least = self.0.iter().min_by_key(|(_, times)| **times).map(|(pair, _)| *pair);
            least.and_then(|pair| self.0.remove(&pair));
        }
        let times = self.0.entry(pair).or_default();
        *times = times.saturating_add(1);
    }

    /// Those who were wrong with this node.
    pub(super) fn of(&self, node: &NodeId) -> Vec<(NodeId, u32)> {
        let other = |&((a, b), times): &((NodeId, NodeId), u32)| {
            (a == *node).then_some((b, times)).or((b == *node).then_some((a, times)))
        };
        self.iter().filter_map(|pair| other(&pair)).collect()
    }

    /// Those tied together by suspicious pairs.
    pub(super) fn groups(&self) -> Vec<Vec<NodeId>> {
        let mut mates: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for ((a, b), _) in self.iter().filter(|(_, times)| *times >= SUSPICIOUS) {
            mates.entry(a).or_default().push(b);
            mates.entry(b).or_default().push(a);
        }
        let mut groups = Vec::new();
        let mut seen = BTreeSet::new();
        for &start in mates.keys() {
            let (mut group, mut next) = (Vec::new(), vec![start]);
            while let Some(node) = next.pop() {
                if seen.insert(node) {
                    group.push(node);
                    next.extend(&mates[&node]);
                }
            }
            if !group.is_empty() {
                group.sort_unstable();
                groups.push(group);
            }
        }
        groups
    }
}
