//! The space of a job's work: an n-dimensional box of atoms, cut into cells.
//!
//! Atoms are what the application counts (pixels, frames, parameter points). Cells are boxes of
//! atoms, the finest pieces that any gridlet is made of: what a worker ships, what is compared and
//! what is accepted. A gridlet is a box of cells. All orders are row-major: the last axis is the fastest.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{CellId, limits};

/// A box: one range for each dimension.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Region {
    /// Half-open, one for each axis.
    pub ranges: Vec<Range<u64>>,
}

impl Region {
    /// The box with these ranges.
    pub fn new(ranges: impl Into<Vec<Range<u64>>>) -> Self {
        Self { ranges: ranges.into() }
    }

    /// How many points it holds.
    pub fn volume(&self) -> u64 {
        self.ranges.iter().map(|r| r.end.saturating_sub(r.start)).product()
    }

    /// Whether `point`, one coordinate for each axis, lies in it.
    pub fn contains(&self, point: &[u64]) -> bool {
        self.ranges.len() == point.len()
            && self.ranges.iter().zip(point).all(|(range, x)| range.contains(x))
    }

    /// The smallest box that holds both; they have the same dimensions and neither is empty.
    pub fn hull(&self, other: &Self) -> Self {
        let both = self.ranges.iter().zip(&other.ranges);
        let ranges: Vec<_> = both.map(|(a, b)| a.start.min(b.start)..a.end.max(b.end)).collect();
        Self { ranges }
    }
}

/// One dimension of a job's atoms and where it is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    length: u64,
    step: u64,
}

impl Axis {
    /// `length` atoms, cut into cells of `step` (the last one may be shorter).
    ///
    /// # Panics
    /// If either is zero: an application manager refuses empty work before it gets here.
    pub fn new(length: u64, step: u64) -> Self {
        assert!(length > 0 && step > 0, "an axis of {length} atoms cut every {step}");
        Self { length, step }
    }

    /// Atoms along the axis.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Atoms in a cell, but for the last.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Cells along the axis.
    pub fn cells(&self) -> u64 {
        self.length.div_ceil(self.step)
    }

    /// The atoms of cell `cell`.
    pub fn atoms(&self, cell: u64) -> Range<u64> {
        let start = cell * self.step;
        start..(start + self.step).min(self.length)
    }
}

/// All atoms of a job, cut into cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellGrid {
    axes: Vec<Axis>,
}

/// A job's work has a shape that can't be handled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// No axis at all.
    #[error("work without a dimension")]
    NoAxis,
    /// Too many cells for one job.
    #[error("work of {found} cells, expected at most {}; use larger pieces", limits::JOB_CELLS)]
    TooManyCells {
        /// Cells that there would be (saturated).
        found: u64,
    },
}

impl CellGrid {
    /// A grid over these axes.
    ///
    /// # Errors
    /// If there is no axis or there are more than [`limits::JOB_CELLS`] cells.
    pub fn new(axes: Vec<Axis>) -> Result<Self, SpaceError> {
        if axes.is_empty() {
            return Err(SpaceError::NoAxis);
        }
        let cells = axes.iter().fold(1u64, |n, axis| n.saturating_mul(axis.cells()));
        if cells > limits::JOB_CELLS {
            return Err(SpaceError::TooManyCells { found: cells });
        }
        Ok(Self { axes })
    }

    /// The axes.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// How many cells there are.
    pub fn cells(&self) -> u32 {
        // Fits: `new` bounds it by JOB_CELLS.
        self.axes.iter().map(Axis::cells).product::<u64>() as u32
    }

    /// How many atoms there are (saturated).
    pub fn atoms(&self) -> u64 {
        self.axes.iter().fold(1u64, |n, axis| n.saturating_mul(axis.length()))
    }

    /// The box of all cells, in cell coordinates.
    pub fn whole(&self) -> Region {
        Region::new(self.axes.iter().map(|axis| 0..axis.cells()).collect::<Vec<_>>())
    }

    /// The cell at these cell coordinates.
    pub fn cell_at(&self, coordinates: &[u64]) -> CellId {
        debug_assert_eq!(coordinates.len(), self.axes.len());
        let index =
            self.axes.iter().zip(coordinates).fold(0u64, |i, (axis, x)| i * axis.cells() + x);
        CellId(index as u32)
    }

    /// The cell coordinates of a cell.
    pub fn coordinates(&self, cell: CellId) -> Vec<u64> {
        let mut rest = u64::from(cell.0);
        let mut coordinates = vec![0; self.axes.len()];
        for (slot, axis) in coordinates.iter_mut().zip(&self.axes).rev() {
            *slot = rest % axis.cells();
            rest /= axis.cells();
        }
        coordinates
    }

    /// The atoms of a cell.
    pub fn atoms_of(&self, cell: CellId) -> Region {
        let coordinates = self.coordinates(cell);
        Region::new(
            self.axes.iter().zip(coordinates).map(|(axis, x)| axis.atoms(x)).collect::<Vec<_>>(),
        )
    }

    /// The cells of a box given in cell coordinates, ascending.
    pub fn cells_in<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = CellId> + 'a {
        let mut at: Option<Vec<u64>> =
            (region.volume() > 0).then(|| region.ranges.iter().map(|r| r.start).collect());
        std::iter::from_fn(move || {
            let point = at.as_mut()?;
            let cell = self.cell_at(point);
            for axis in (0..point.len()).rev() {
                point[axis] += 1;
                if point[axis] < region.ranges[axis].end {
                    return Some(cell);
                }
                point[axis] = region.ranges[axis].start;
            }
            at = None;
            Some(cell)
        })
    }

    /// Cuts the box of all cells into boxes of at most `extent[i]` cells along axis `i`; row-major,
    /// disjoint, together everything.
    pub fn tiles(&self, extent: &[u64]) -> Vec<Region> {
        debug_assert_eq!(extent.len(), self.axes.len());
        let coarse = Self {
            axes: self
                .axes
                .iter()
                .zip(extent)
                .map(|(axis, &extent)| Axis::new(axis.cells(), extent.max(1)))
                .collect(),
        };
        (0..coarse.cells()).map(|tile| coarse.atoms_of(CellId(tile))).collect()
    }
}

#[cfg(test)]
mod tests;
