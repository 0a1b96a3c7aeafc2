//! Gridlets with work to hand out, indexed by who may not have them.
//!
//! With replication a gridlet that waits for its second answer must not go to the node that gave
//! the first. Scanning for one that a worker may have would cost the whole queue; here gridlets that
//! exclude the same workers, and are bound to the same kind of node, share a bucket, so a pick looks at one
//! entry per distinct set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outlast_types::{GridletId, NodeId};

/// Who may not have a gridlet, sorted, and which kind of node has to.
type Place = (Vec<NodeId>, Option<Arc<str>>);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    buckets: BTreeMap<Place, BTreeSet<GridletId>>,
    places: BTreeMap<GridletId, Place>,
}

impl Queue {
    /// Puts a gridlet in, or moves it: `excluded` (sorted) may not have it, and only nodes of `kind` may.
    pub(crate) fn put(
        &mut self,
        gridlet: GridletId,
        excluded: Vec<NodeId>,
        kind: Option<Arc<str>>,
    ) {
        debug_assert!(excluded.is_sorted());
        let place = (excluded, kind);
        if self.places.get(&gridlet) == Some(&place) {
            return;
        }
        self.remove(gridlet);
        self.buckets.entry(place.clone()).or_default().insert(gridlet);
        self.places.insert(gridlet, place);
    }

    /// Takes a gridlet out, if it is there.
    pub(crate) fn remove(&mut self, gridlet: GridletId) {
        let Some(place) = self.places.remove(&gridlet) else { return };
        if let Some(bucket) = self.buckets.get_mut(&place) {
            bucket.remove(&gridlet);
            if bucket.is_empty() {
                self.buckets.remove(&place);
            }
        }
    }

    /// The gridlet that `worker` should do next: one that others have begun before a fresh one, so
    /// that few are open at a time. It stays in the queue. `fits` says whether the worker may have what is bound
    /// to a kind, or (`None`) what is not bound yet. With `fresh` one that nobody has begun comes first.
    pub(crate) fn pick(
        &self,
        worker: &NodeId,
        fresh: bool,
        fits: impl Fn(Option<&str>) -> bool,
    ) -> Option<GridletId> {
        let mut buckets = self.buckets.iter();
        let free = |((excluded, kind), _): &(&Place, &BTreeSet<GridletId>)| {
            excluded.binary_search(worker).is_err() && fits(kind.as_deref())
        };
        let found = if fresh { buckets.find(free) } else { buckets.rev().find(free) };
        found.and_then(|(_, bucket)| bucket.first().copied())
    }

    /// Those that wait, ascending.
    pub(crate) fn gridlets(&self) -> impl Iterator<Item = &GridletId> {
        self.places.keys()
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
        let pick = |queue: &Queue, worker: u8| queue.pick(&node(worker), false, |_| true);
        queue.put(GridletId(0), vec![node(1)], None);
        queue.put(GridletId(1), vec![], None);
        assert_eq!(pick(&queue, 1), Some(GridletId(1)));
        assert_eq!(pick(&queue, 2), Some(GridletId(0)));
        queue.put(GridletId(1), vec![node(1), node(2)], None);
        assert_eq!(pick(&queue, 1), None);
        queue.put(GridletId(0), vec![], Some("a".into()));
        assert_eq!(queue.pick(&node(1), false, |kind| kind == Some("a")), Some(GridletId(0)));
        assert_eq!(queue.pick(&node(1), false, |kind| kind == Some("b")), None);
        queue.remove(GridletId(0));
        queue.remove(GridletId(1));
        assert!(queue.len() == 0 && queue.buckets.is_empty());
    }
}
