//! A job's gridlets, in layers: each layer cuts the same cells in another way.
//!
//! ```text
//!   layer 0   |--- 0 ---|--- 1 ---|--- 2 ---|      as a rule the manager's own gridlets
//!   layer 1   |- 3 -|--- 4 ---|--- 5 ---|- 6 -|    shifted (GINGER, figure 1) or crossed (figure 3)
//!   cells     |. . . . . . . . . . . . . . .|      comparison points
//! ```
//!
//! The k-th answer to a cell is computed within a gridlet of layer k (modulo their number), so that
//! redundant work is never the same piece of work twice, and colluders find it harder to see that they
//! hold the same cells (GINGER, section 3.2). With one layer all is as if there were none.
//!
//! Cost: looking up the gridlets that share cells with one is linear in its cells and layers.

use std::collections::BTreeSet;

use outlast_gridlet::{ApplicationManager, Gridlet};
use outlast_types::{CellGrid, CellId, GridletId, Region};
use outlast_verify::partition::{PlanError, plan_seeded};
use outlast_verify::{Partitioning, Policy};

/// How a job's cells are to be cut under a policy: what [`JobSpec::layers`](super::JobSpec::layers) wants. `seed` is the
/// job's. The same arguments give the same layers, so they needn't be written down.
///
/// # Errors
/// If this job can't be cut so: says what would work.
pub fn cut(
    manager: &dyn ApplicationManager,
    policy: &Policy,
    seed: u64,
) -> Result<Vec<Vec<Region>>, PlanError> {
    if policy.partitioning == Partitioning::Standard {
        return Ok(Vec::new());
    }
    let base: Vec<Region> =
        manager.gridlets().iter().map(|gridlet| gridlet.cells.clone()).collect();
    let plan = plan_seeded(manager.grid(), &base, policy.partitioning, policy.replicas(), seed)?;
    Ok(plan.layers)
}

/// See the module.
pub(super) struct Layout {
    /// Of all layers, one after the other; the index is the id.
    gridlets: Vec<Gridlet>,
    /// Where each layer begins, and the end of the last one.
    starts: Vec<u32>,
    /// For each layer, the gridlet of each cell; `u32::MAX` where a layer has none.
    of: Vec<Vec<u32>>,
}

impl Layout {
    /// The manager's gridlets, which partition the grid; or in their place layers of boxes of cells. The first layer covers
    /// all of it, the others need not.
    pub(super) fn new(grid: &CellGrid, base: &[Gridlet], layers: &[Vec<Region>]) -> Self {
        let mut layout = Self { gridlets: Vec::new(), starts: vec![0], of: Vec::new() };
        if layers.is_empty() {
            layout.gridlets = base.to_vec();
            layout.index(grid);
            return layout;
        }
        let mut cost = vec![0.0; grid.cells() as usize];
        for gridlet in base {
            let each = gridlet.cost / (gridlet.cells.volume().max(1) as f64);
            grid.cells_in(&gridlet.cells).for_each(|cell| cost[cell.index()] = each);
        }
        for layer in layers {
            for cells in layer {
                let id = GridletId(layout.gridlets.len() as u32);
                let cost = grid.cells_in(cells).map(|cell| cost[cell.index()]).sum();
                layout.gridlets.push(Gridlet { id, cells: cells.clone(), cost });
            }
            layout.index(grid);
        }
        layout
    }

    /// Enters the gridlets that were added last as a layer.
    fn index(&mut self, grid: &CellGrid) {
        let start = self.starts.last().copied().unwrap_or_default();
        let mut of = vec![u32::MAX; grid.cells() as usize];
        for gridlet in &self.gridlets[start as usize..] {
            grid.cells_in(&gridlet.cells).for_each(|cell| of[cell.index()] = gridlet.id.0);
        }
        self.of.push(of);
        self.starts.push(self.gridlets.len() as u32);
    }

    /// How often the cells are cut.
    pub(super) fn layers(&self) -> usize {
        self.of.len()
    }

    /// Gridlets of all layers.
    pub(super) fn len(&self) -> u32 {
        self.gridlets.len() as u32
    }

    /// Gridlets of the first layer: the ones that progress is told in.
    pub(super) fn base(&self) -> u32 {
        self.starts[1]
    }

    pub(super) fn gridlet(&self, id: GridletId) -> &Gridlet {
        &self.gridlets[id.index()]
    }

    /// The layer of a gridlet.
    pub(super) fn layer(&self, id: GridletId) -> usize {
        self.starts.partition_point(|&start| start <= id.0) - 1
    }

    /// The gridlet of the first layer that has this cell.
    pub(super) fn base_of(&self, cell: CellId) -> GridletId {
        GridletId(self.of[0][cell.index()])
    }

    /// The gridlets that have this cell, one for each layer that covers it.
    pub(super) fn all_of(&self, cell: CellId) -> impl Iterator<Item = GridletId> + '_ {
        let of = self.of.iter().map(move |of| of[cell.index()]);
        of.filter(|&id| id != u32::MAX).map(GridletId)
    }

    /// In which layer a cell is computed that has so many answers and leases.
    pub(super) fn turn(&self, cell: CellId, count: usize) -> usize {
        let layers = self.all_of(cell).count();
        let turn = count % layers.max(1);
        // Layers that don't cover it are left out.
        let covers = |&layer: &usize| self.of[layer][cell.index()] != u32::MAX;
        (0..self.layers()).filter(covers).nth(turn).unwrap_or(0)
    }

    /// The gridlet itself and, in other layers, those that share cells with it.
    pub(super) fn touching(&self, grid: &CellGrid, id: GridletId) -> BTreeSet<GridletId> {
        if self.layers() == 1 {
            return BTreeSet::from([id]);
        }
        let cells = grid.cells_in(&self.gridlet(id).cells);
        cells.flat_map(|cell| self.all_of(cell)).collect()
    }
}

#[cfg(test)]
mod tests;
