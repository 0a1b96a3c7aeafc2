//! How a job's cells are made into gridlets, once or several times differently (GINGER, section 3.2).
//!
//! ```text
//!  standard     |   1   |   2   |   3   |        every answer of a cell is computed in the same gridlet
//!
//!  overlapped   |   1   |   2   |   3   |        layer 0: the first answer
//!               | 1 |   2   |   3   | 4 |        layer 1: the second, in other gridlets
//!               | . | . | . | . | . | . |        comparison points: what both cuts make of the work
//!
//!  relaxed      |   1   |   2   |   3   |        layer 0
//!                   |   1   |                    layer 1: only a part of the work is done again
//!
//!  meshed       |   |   |   |     ---------      layer 0 and layer 1 of two dimensions: each gridlet of
//!               | 1 | 2 | 3 |     ---------      one crosses all of the other
//! ```
//!
//! Colluders who return the same bad answer have to find out that they compute the same work. Where no
//! two gridlets are equal they have to work out the common part, and do the rest honestly.
//!
//! The k-th answer to a cell is computed in layer `k % layers`. Costs of gridlets may differ: the
//! first and last of a shifted layer are smaller than the others, none is larger than its neighbours
//! of the base (or than [`limits::GRIDLET_CELLS`], where a mesh has to cut anew).
//!
//! Invariants: layer 0 covers each cell once; so does each other layer, but for a relaxed one, which
//! covers cells of the chosen part once, the same part in all layers. No gridlet is empty.
//!
//! What it does not do: hand out work, or know which applications can compute which box.

mod meshed;
mod refine;
mod shift;

use outlast_types::{CellGrid, CellId, Region, limits};
use serde::{Deserialize, Serialize};

/// How a job's work is cut for its replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partitioning {
    /// All replicas of a gridlet are the same gridlet.
    #[default]
    Standard,
    /// Each replica is cut at other places, along one axis.
    Overlapped,
    /// As overlapped, but only a part of the work is done more than once.
    Relaxed {
        /// Share of the cells that is, from 1 to 99.
        percent: u8,
    },
    /// The cuts of the replicas cross each other: columns, then rows. Needs two dimensions.
    Meshed,
}

/// The gridlets of a job, for each replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Boxes of cells. Layer 0 are those that the plan was made from, but for a mesh.
    pub layers: Vec<Vec<Region>>,
}

/// A partitioning that this work can't have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The gridlets don't cover each cell exactly once.
    #[error("gridlets that cover cell {cell} {found} times, expected once")]
    NotAPartition {
        /// The first such cell.
        cell: CellId,
        /// How often it is covered.
        found: u32,
    },
    /// A gridlet has other dimensions than the work, or reaches beyond it.
    #[error("gridlet {gridlet} is not a box of the work's {cells} cells in {axes} dimensions")]
    NotInside {
        /// Its number in the base.
        gridlet: usize,
        /// Dimensions of the work.
        axes: usize,
        /// Cells of the work.
        cells: u32,
    },
    /// Cuts differ between replicas, and there is one.
    #[error(
        "{partitioning} partitioning with {found} replica, expected at least 2; raise the \
         replication, or use standard partitioning"
    )]
    NoReplica {
        /// What was asked for.
        partitioning: &'static str,
        /// Replicas asked for.
        found: u8,
    },
    /// Gridlets of one cell can't be shifted by less than a gridlet.
    #[error(
        "overlapped partitioning of {gridlets} gridlets of one cell each, expected gridlets of at \
         least 2 cells: use at most {most} gridlets, or smaller pieces"
    )]
    NoRoom {
        /// Gridlets of the base.
        gridlets: usize,
        /// Gridlets that would have room.
        most: u32,
    },
    /// A work of one cell has nothing to overlap or to cross.
    #[error("{partitioning} partitioning of a single cell, expected at least 2; use standard")]
    OneCell {
        /// What was asked for.
        partitioning: &'static str,
    },
    /// A mesh needs two dimensions that can be cut.
    #[error(
        "meshed partitioning of work that can be cut in {found} dimension(s), expected 2 or more \
         with at least 2 cells each; use overlapped"
    )]
    OneDimension {
        /// Axes with two cells or more.
        found: usize,
    },
    /// The thinnest gridlets that cross all the others are too large.
    #[error(
        "meshed gridlets of {found} cells, expected at most {}; use larger pieces, or overlapped",
        limits::GRIDLET_CELLS
    )]
    TooLarge {
        /// Cells of a gridlet that is one cell thick.
        found: u64,
    },
    /// A relaxed overlap of nothing, or of everything.
    #[error("a relaxed overlap of {found} %, expected 1 to 99; 0 is standard, 100 is overlapped")]
    Percent {
        /// What was asked for.
        found: u8,
    },
}

/// Cuts a job's cells for up to `replicas` answers to each. `base` are the gridlets that the
/// application made: boxes of cells that cover the grid once. A relaxed plan does a part again that
/// everybody can work out; see [`plan_seeded`].
///
/// # Errors
/// If the base is no partition of the grid, or there is nothing that could be cut differently.
pub fn plan(
    grid: &CellGrid,
    base: &[Region],
    partitioning: Partitioning,
    replicas: u8,
) -> Result<Plan, PlanError> {
    plan_seeded(grid, base, partitioning, replicas, 0)
}

/// As [`plan`]; `seed` chooses which part of a relaxed plan is done more than once. Workers must not
/// know it: they would lie elsewhere.
///
/// # Errors
/// As [`plan`].
pub fn plan_seeded(
    grid: &CellGrid,
    base: &[Region],
    partitioning: Partitioning,
    replicas: u8,
    seed: u64,
) -> Result<Plan, PlanError> {
    check_partition(grid, base)?;
    let name = partitioning.name();
    if partitioning != Partitioning::Standard {
        if replicas < 2 {
            return Err(PlanError::NoReplica { partitioning: name, found: replicas });
        }
        if grid.cells() < 2 {
            return Err(PlanError::OneCell { partitioning: name });
        }
    }
    let layers = match partitioning {
        Partitioning::Standard => vec![base.to_vec()],
        Partitioning::Overlapped => shift::layers(grid, base, replicas)?,
        Partitioning::Relaxed { percent } => {
            if !(1..100).contains(&percent) {
                return Err(PlanError::Percent { found: percent });
            }
            let layers = shift::layers(grid, base, replicas)?;
            shift::relax(grid, layers, percent, seed)
        }
        Partitioning::Meshed => meshed::layers(grid, base, replicas)?,
    };
    Ok(Plan { layers })
}

impl Partitioning {
    /// As users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Overlapped => "overlapped",
            Self::Relaxed { .. } => "relaxed",
            Self::Meshed => "meshed",
        }
    }
}

/// Whether these boxes cover each cell once.
fn check_partition(grid: &CellGrid, base: &[Region]) -> Result<(), PlanError> {
    let whole = grid.whole();
    let mut covered = vec![0u32; grid.cells() as usize];
    for (gridlet, region) in base.iter().enumerate() {
        let inside = region.ranges.len() == whole.ranges.len()
            && region
                .ranges
                .iter()
                .zip(&whole.ranges)
                .all(|(r, w)| r.start < r.end && r.end <= w.end);
        if !inside {
            let axes = whole.ranges.len();
            return Err(PlanError::NotInside { gridlet, axes, cells: grid.cells() });
        }
        for cell in grid.cells_in(region) {
            covered[cell.index()] += 1;
        }
    }
    match covered.iter().position(|&times| times != 1) {
        None => Ok(()),
        Some(at) => Err(PlanError::NotAPartition { cell: CellId(at as u32), found: covered[at] }),
    }
}

#[cfg(test)]
mod tests;
