//! Which gridlets wait for a worker, and for which: their places in the [queue](crate::queue).
//!
//! A gridlet waits while any of its cells is wanted. Whatever may change that (a vote, a lease that ends, a worker
//! that is struck) puts it anew, so a place is never older than the event that is being handled.

use std::collections::BTreeSet;

use outlast_types::{CellId, GridletId, NodeId};

use super::Coordinator;

impl Coordinator {
    /// Puts a gridlet, and those that share cells with it, where they belong.
    pub(super) fn requeue(&mut self, gridlet: GridletId) {
        if self.layout.layers() == 1 {
            return self.requeue_one(gridlet);
        }
        for gridlet in self.layout.touching(self.spec.manager.grid(), gridlet) {
            self.requeue_one(gridlet);
        }
    }

    pub(super) fn requeue_all(&mut self) {
        for gridlet in (0..self.layout.len()).map(GridletId) {
            self.requeue_one(gridlet);
        }
    }

    /// The cells of a gridlet that are to be given out as part of it: those in demand whose next answer is of its
    /// layer. None while another layer has to begin with one of its cells: the pieces would be small
    /// ones. The cell with the fewest answers never waits, so something always goes on.
    pub(super) fn wanted(&self, gridlet: GridletId) -> Vec<CellId> {
        let mut cells = self.cells_of(gridlet);
        cells.retain(|&cell| self.verifier.demand(cell) > 0);
        if self.layout.layers() == 1 {
            return cells;
        }
        let layer = self.layout.layer(gridlet);
        let count = |&cell: &CellId| self.verifier.count(cell);
        let least = cells.iter().map(count).min();
        cells.retain(|cell| self.layout.turn(*cell, count(cell)) == layer);
        if cells.iter().map(count).min() != least {
            cells.clear();
        }
        cells
    }

    /// Puts a gridlet where it belongs: into the queue if any of its cells is wanted.
    fn requeue_one(&mut self, gridlet: GridletId) {
        if self.remaining[gridlet.index()] == 0 {
            self.queue.remove(gridlet);
            self.for_self.remove(&gridlet);
            self.hopeless.remove(&gridlet);
            return;
        }
        if self.for_self.contains(&gridlet) {
            self.queue.remove(gridlet);
            return;
        }
        let wanted = self.wanted(gridlet);
        let Some(&first) = wanted.first() else {
            self.queue.remove(gridlet);
            return;
        };
        // Whoever may not answer any wanted cell may not answer the first of them.
        let mut known: BTreeSet<NodeId> =
            self.verifier.voters(first).into_iter().map(|(worker, _)| worker).collect();
        for attempt in self.by_gridlet.get(&gridlet).into_iter().flatten() {
            known.insert(self.leases[attempt].worker);
        }
        known.extend(self.failures.get(&gridlet).into_iter().flat_map(|f| f.keys().copied()));
        known.extend(self.undecided.nodes(gridlet));
        let failed = self.failures.get(&gridlet);
        let excluded: Vec<NodeId> = known
            .into_iter()
            .filter(|worker| {
                failed.is_some_and(|f| f.contains_key(worker))
                    || self.is_undecided(gridlet, worker)
                    || !wanted.iter().any(|&cell| self.verifier.may_answer(cell, *worker))
            })
            .collect();
        self.queue.put(gridlet, excluded, self.kind_of(gridlet));
    }
}
