//! What follows from the cuts of all layers together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use outlast_types::{CellGrid, CellId, Region};

use super::Plan;

impl Plan {
    /// For each layer and each cell: the gridlet of the layer that holds it. None only in the relaxed
    /// layers of a plan.
    pub fn owners(&self, grid: &CellGrid) -> Vec<Vec<Option<u32>>> {
        let of_layer = |layer: &Vec<Region>| {
            let mut owners = vec![None; grid.cells() as usize];
            for (gridlet, region) in layer.iter().enumerate() {
                for cell in grid.cells_in(region) {
                    owners[cell.index()] = Some(gridlet as u32);
                }
            }
            owners
        };
        self.layers.iter().map(of_layer).collect()
    }

    /// How many layers hold each cell: 1 where a relaxed plan does nothing again.
    pub fn covers(&self, grid: &CellGrid) -> Vec<u8> {
        let mut covers = vec![0; grid.cells() as usize];
        for region in self.layers.iter().flatten() {
            for cell in grid.cells_in(region) {
                covers[cell.index()] += 1;
            }
        }
        covers
    }

    /// The comparison points: the common refinement of all layers, as boxes of cells, by their first
    /// cell. All cells of a point lie in one gridlet of each layer, so what workers answer about one
    /// another's work is compared there and nowhere finer. Of a relaxed plan only what is done again.
    pub fn comparison_points(&self, grid: &CellGrid) -> Vec<Region> {
        let refined = self.refine(grid);
        let mut points: Vec<Option<Region>> = vec![None; refined.count];
        for (cell, &point) in refined.of_cell.iter().enumerate() {
            let Some(point) = point else { continue };
            let own = grid.coordinates(CellId(cell as u32));
            let own = Region::new(own.into_iter().map(|x| x..x + 1).collect::<Vec<_>>());
            let slot = &mut points[point as usize];
            *slot = Some(slot.take().map_or(own.clone(), |so_far| so_far.hull(&own)));
        }
        points.into_iter().flatten().collect()
    }

    /// How many comparison points there are.
    pub fn comparison_count(&self, grid: &CellGrid) -> usize {
        self.refine(grid).count
    }

    fn refine(&self, grid: &CellGrid) -> Refined {
        let owners = self.owners(grid);
        let [first, others @ ..] = &owners[..] else { return Refined::default() };
        let mut refined = Refined { of_cell: first.clone(), count: self.layers[0].len() };
        for owners in others {
            // A point of the layers so far and a gridlet of this one are a point.
            let mut points: BTreeMap<(u32, u32), u32> = BTreeMap::new();
            for (slot, owner) in refined.of_cell.iter_mut().zip(owners) {
                *slot = match (*slot, *owner) {
                    (Some(point), Some(gridlet)) => {
                        let next = points.len() as u32;
                        Some(match points.entry((point, gridlet)) {
                            Entry::Vacant(free) => *free.insert(next),
                            Entry::Occupied(known) => *known.get(),
                        })
                    }
                    (_, None) | (None, _) => None,
                };
            }
            refined.count = points.len();
        }
        refined
    }
}

#[derive(Default)]
struct Refined {
    /// The point of each cell.
    of_cell: Vec<Option<u32>>,
    count: usize,
}
