//! The work, cut: gridlets of each layer, and the comparison points that they consist of.
//!
//! The simulated verifier decides comparison points: all cells of one are in the same gridlets, get the
//! same answers, and would be decided alike. A point weighs as much as it has of the atoms.

use outlast_types::{Axis, CellGrid, CellId, Region};
use outlast_verify::Partitioning;
use outlast_verify::partition::plan_seeded;

use crate::scenario::{Scenario, ScenarioError};

/// Cells that a cut work has at most for each gridlet: as many as a gridlet of the grid may have.
const CELLS_PER_GRIDLET: u64 = 4096;
/// Cells that a cut work has at most: a finer mesh would change nothing and take long.
const CELLS: u64 = 1 << 20;

/// How the work of a job is cut; the same for all runs.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Atoms of each point.
    atoms: Vec<u64>,
    /// Atoms of a gridlet on average: what a copy costs is counted in these.
    unit: f64,
    /// Pieces (gridlets of all layers, layer 0 first): where the points of each begin.
    starts: Vec<u32>,
    points: Vec<u32>,
    /// For each layer, for each point: its piece; `NOWHERE` where a relaxed layer does nothing.
    /// Empty if point, piece and gridlet are the same.
    owners: Vec<Vec<u32>>,
    gridlets: u32,
}

const NOWHERE: u32 = u32::MAX;

impl Layout {
    /// Cuts the work of a scenario.
    ///
    /// # Errors
    /// If the scenario is impossible, or the work can't be cut as it says.
    pub fn new(scenario: &Scenario) -> Result<Self, ScenarioError> {
        scenario.validate()?;
        match scenario.partitioning() {
            Partitioning::Standard => Ok(Self::standard(scenario)),
            partitioning => Self::layered(scenario, partitioning),
        }
    }

    fn standard(scenario: &Scenario) -> Self {
        let gridlets = u64::from(scenario.gridlets);
        let total = scenario.work.iter().fold(1u64, |all, &n| all.saturating_mul(n));
        let share = |i: u64| (u128::from(total) * u128::from(i) / u128::from(gridlets)) as u64;
        Self {
            atoms: (0..gridlets).map(|i| share(i + 1) - share(i)).collect(),
            unit: total as f64 / gridlets as f64,
            starts: (0..=scenario.gridlets).collect(),
            points: (0..scenario.gridlets).collect(),
            owners: Vec::new(),
            gridlets: scenario.gridlets,
        }
    }

    fn layered(scenario: &Scenario, partitioning: Partitioning) -> Result<Self, ScenarioError> {
        let grid = coarse(scenario);
        let mut base = Vec::with_capacity(scenario.gridlets as usize);
        split(grid.whole(), scenario.gridlets.into(), &mut base);
        let replicas = scenario.policy().map_or(2, |policy| policy.replicas().max(2));
        let plan = plan_seeded(&grid, &base, partitioning, replicas, scenario.seed)?;
        let cell_owners = plan.owners(&grid);
        // Points: cells that have the same owners. Unlike `comparison_points`, also where a relaxed
        // plan does nothing again.
        let mut numbers = std::collections::BTreeMap::new();
        let mut atoms: Vec<u64> = Vec::new();
        let mut owners: Vec<Vec<u32>> = vec![Vec::new(); plan.layers.len()];
        let firsts = plan.layers.iter().scan(0u32, |next, layer| {
            let first = *next;
            *next += layer.len() as u32;
            Some(first)
        });
        let firsts: Vec<u32> = firsts.collect();
        for cell in 0..grid.cells() {
            let own = cell_owners.iter().zip(&firsts).map(|(owners, first)| {
                owners[cell as usize].map_or(NOWHERE, |piece| first + piece)
            });
            let own: Vec<u32> = own.collect();
            let weight = grid.atoms_of(CellId(cell)).volume();
            let next = atoms.len();
            let point = *numbers.entry(own.clone()).or_insert(next);
            if point == next {
                atoms.push(0);
                owners.iter_mut().zip(own).for_each(|(layer, piece)| layer.push(piece));
            }
            atoms[point] += weight;
        }
        let pieces: usize = plan.layers.iter().map(Vec::len).sum();
        let mut of_piece: Vec<Vec<u32>> = vec![Vec::new(); pieces];
        for layer in &owners {
            for (point, &piece) in layer.iter().enumerate() {
                if piece != NOWHERE {
                    of_piece[piece as usize].push(point as u32);
                }
            }
        }
        let mut starts = vec![0];
        let mut points = Vec::new();
        for own in of_piece {
            points.extend(own);
            starts.push(points.len() as u32);
        }
        let total: u64 = atoms.iter().sum();
        let gridlets = plan.layers[0].len() as u32;
        let unit = total as f64 / f64::from(gridlets);
        Ok(Self { atoms, unit, starts, points, owners, gridlets })
    }

    /// Comparison points.
    pub fn points(&self) -> u32 {
        self.atoms.len() as u32
    }

    /// Gridlets of layer 0.
    pub fn gridlets(&self) -> u32 {
        self.gridlets
    }

    /// Gridlets of all layers.
    pub fn pieces(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    /// How often the work is cut.
    pub fn layers(&self) -> usize {
        self.owners.len().max(1)
    }

    /// Atoms of a point.
    pub fn atoms(&self, point: u32) -> u64 {
        self.atoms[point as usize]
    }

    /// A point's part of an ordinary gridlet.
    pub fn weight(&self, point: u32) -> f64 {
        self.atoms[point as usize] as f64 / self.unit
    }

    /// The points of a piece, by their place in [`Layout::point_at`].
    pub(crate) fn range(&self, piece: u32) -> std::ops::Range<usize> {
        self.starts[piece as usize] as usize..self.starts[piece as usize + 1] as usize
    }

    /// The point at this place.
    pub(crate) fn point_at(&self, at: usize) -> u32 {
        self.points[at]
    }

    /// The points of a piece.
    pub fn points_of(&self, piece: u32) -> &[u32] {
        &self.points[self.range(piece)]
    }

    /// The piece of a layer that holds this point.
    pub fn owner(&self, layer: usize, point: u32) -> Option<u32> {
        match self.owners.get(layer) {
            None => Some(point),
            Some(owners) => Some(owners[point as usize]).filter(|&piece| piece != NOWHERE),
        }
    }

    /// How many layers hold this point.
    pub fn covers(&self, point: u32) -> usize {
        (0..self.layers()).filter(|&layer| self.owner(layer, point).is_some()).count()
    }
}

/// The work in cells: as its atoms, or coarser if those are too many.
fn coarse(scenario: &Scenario) -> CellGrid {
    let most = CELLS.min(CELLS_PER_GRIDLET.saturating_mul(scenario.gridlets.into()));
    let mut steps: Vec<u64> = vec![1; scenario.work.len()];
    loop {
        let axes = scenario.work.iter().zip(&steps);
        let cells: Vec<u64> = axes.map(|(&length, &step)| length.div_ceil(step)).collect();
        if cells.iter().fold(1u64, |all, &n| all.saturating_mul(n)) <= most {
            break;
        }
        let longest = (0..cells.len()).max_by_key(|&axis| cells[axis]).unwrap_or(0);
        steps[longest] *= 2;
    }
    let axes = scenario.work.iter().zip(steps).map(|(&length, step)| Axis::new(length, step));
    CellGrid::new(axes.collect()).expect("fewer cells than a job may have, and an axis")
}

/// Cuts a box into `count` boxes of about the same size: slabs along its longest side, which are cut
/// again if there are more wanted than fit.
fn split(region: Region, count: u64, out: &mut Vec<Region>) {
    if count <= 1 {
        out.push(region);
        return;
    }
    let length = |region: &Region, axis: usize| region.ranges[axis].end - region.ranges[axis].start;
    let sides = 0..region.ranges.len();
    let axis = sides.max_by_key(|&a| (length(&region, a), std::cmp::Reverse(a))).unwrap_or(0);
    let long = length(&region, axis);
    let slabs = count.min(long);
    if long < 2 {
        out.push(region);
        return;
    }
    let start = region.ranges[axis].start;
    for i in 0..slabs {
        let mut slab = region.clone();
        slab.ranges[axis] = start + long * i / slabs..start + long * (i + 1) / slabs;
        split(slab, count * (i + 1) / slabs - count * i / slabs, out);
    }
}

#[cfg(test)]
mod tests;
