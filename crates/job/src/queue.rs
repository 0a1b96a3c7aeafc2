//! Gridlets with work to hand out, indexed by who may not have them.
//!
//! With replication a gridlet that waits for its second answer must not go to the node that gave
//! the first. Scanning for one that a worker may have would cost the whole queue; here gridlets that
//! exclude the same workers share a bucket, so a pick looks at one entry per distinct set.

use std::collections::{BTreeMap, BTreeSet};

use outlast_types::{GridletId, NodeId};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    buckets: BTreeMap<Vec<NodeId>, BTreeSet<GridletId>>,
    places: BTreeMap<GridletId, Vec<NodeId>>,
}

impl Queue {
    /// Puts a gridlet in, or moves it: `excluded` (sorted) may not have it.
    pub(crate) fn put(&mut self, gridlet: GridletId, excluded: Vec<NodeId>) {
        debug_assert!(excluded.is_sorted());
        if self.places.get(&gridlet) == Some(&excluded) {
            return;
        }
        self.remove(gridlet);
        self.buckets.entry(excluded.clone()).or_default().insert(gridlet);
        self.places.insert(gridlet, excluded);
    }

    /// Takes a gridlet out, if it is there.
    pub(crate) fn remove(&mut self, gridlet: GridletId) {
        let Some(excluded) = self.places.remove(&gridlet) else { return };
        if let Some(bucket) = self.buckets.get_mut(&excluded) {
            bucket.remove(&gridlet);
            if bucket.is_empty() {
                self.buckets.remove(&excluded);
            }
        }
    }

    /// The gridlet that `worker` should do next: one that others have begun before a fresh one, so
    /// that few are open at a time. It stays in the queue.
    pub(crate) fn pick(&self, worker: &NodeId) -> Option<GridletId> {
        self.buckets
            .iter()
            .rev()
            .find(|(excluded, _)| excluded.binary_search(worker).is_err())
            .and_then(|(_, bucket)| bucket.first().copied())
    }

    /// How many gridlets wait.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    #[test]
    fn a_worker_never_gets_what_excludes_it() {
        let mut queue = Queue::default();
        queue.put(GridletId(0), vec![node(1)]);
        queue.put(GridletId(1), vec![]);
        assert_eq!(queue.pick(&node(1)), Some(GridletId(1)));
        assert_eq!(queue.pick(&node(2)), Some(GridletId(0)));
        queue.put(GridletId(1), vec![node(1), node(2)]);
        assert_eq!(queue.pick(&node(1)), None);
        queue.remove(GridletId(0));
        queue.remove(GridletId(1));
        assert!(queue.len() == 0 && queue.buckets.is_empty());
    }
}
