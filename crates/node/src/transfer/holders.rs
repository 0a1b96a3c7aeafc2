//! Who asked for what lately: they may have it by now, and others may get it from them.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use outlast_stage::wire::HOLDERS;
use outlast_types::{Hash, NodeId};

/// Groups that are remembered; the oldest goes.
const GROUPS: usize = 1024;

/// Who didn't ask for so long may have thrown it away.
const LATELY: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
pub(super) struct Holders {
    groups: HashMap<Hash, Vec<(NodeId, Instant)>>,
    /// In the order in which they came.
    order: VecDeque<Hash>,
}

impl Holders {
    /// `node` asks; who did before, the latest first.
    pub(super) fn ask(&mut self, node: NodeId, group: Hash, now: Instant) -> Vec<NodeId> {
        if !self.groups.contains_key(&group) {
            if self.order.len() == GROUPS
                && let Some(oldest) = self.order.pop_front()
            {
                self.groups.remove(&oldest);
            }
            self.order.push_back(group);
        }
        let asked = self.groups.entry(group).or_default();
        asked.retain(|(other, at)| *other != node && now.duration_since(*at) < LATELY);
        let others = asked.iter().rev().map(|(other, _)| *other).collect();
        if asked.len() == HOLDERS {
            asked.remove(0);
        }
        asked.push((node, now));
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    #[test]
    fn who_asked_lately_is_named_to_others() {
        let mut holders = Holders::default();
        let start = Instant::now();
        let group = Hash::of(b"tree");
        assert_eq!(holders.ask(node(1), group, start), []);
        assert_eq!(holders.ask(node(2), group, start), [node(1)]);
        assert_eq!(holders.ask(node(1), group, start), [node(2)]);
        assert_eq!(holders.ask(node(3), group, start + LATELY), []);
        assert_eq!(holders.ask(node(1), Hash::of(b"other"), start), []);
    }

    #[test]
    fn both_tables_are_bounded() {
        let mut holders = Holders::default();
        let now = Instant::now();
        for number in 0..2 * GROUPS as u64 {
            holders.ask(node(1), Hash::of(&number.to_le_bytes()), now);
        }
        assert_eq!((holders.groups.len(), holders.order.len()), (GROUPS, GROUPS));
        for number in 0..=255 {
            assert!(holders.ask(node(number), Hash::of(b"one"), now).len() <= HOLDERS);
        }
    }
}
