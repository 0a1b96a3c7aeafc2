//! How a grid of runs is cut into gridlets.

use outlast_types::{Axis, CellGrid, CellId, GridletId, Region};

use crate::Gridlet;

/// Into how many pieces to cut each axis, so that there are about `target` boxes and none has more
/// than `most` cells. The first axes are cut first: a box is then a run of consecutive cells, or
/// nearly. Fewer than twice `target` boxes, if `most` allows.
pub(super) fn pieces(lengths: &[u64], target: u64, most: u64) -> Vec<u64> {
    let cells = lengths.iter().fold(1u64, |n, length| n.saturating_mul(*length));
    let mut target = target.clamp(1, cells);
    loop {
        let mut need = target;
        let cut = |&length: &u64| {
            let pieces = need.min(length);
            need = need.div_ceil(pieces);
            pieces
        };
        let pieces: Vec<u64> = lengths.iter().map(cut).collect();
        let largest: u64 =
            lengths.iter().zip(&pieces).map(|(length, pieces)| length.div_ceil(*pieces)).product();
        if largest <= most {
            return pieces;
        }
        // Ends: with one piece for each cell the largest box has one cell, and `most` is positive.
        target = (target * largest).div_ceil(most).clamp(target + 1, cells);
    }
}

/// The boxes of cells when axis `i` is cut into `pieces[i]` pieces, as equal as can be; row-major.
pub(super) fn boxes(grid: &CellGrid, pieces: &[u64]) -> Vec<Gridlet> {
    let coarse = CellGrid::new(pieces.iter().map(|&pieces| Axis::new(pieces, 1)).collect())
        .expect("there are no more pieces than cells");
    let gridlet = |number: u32| {
        let at = coarse.coordinates(CellId(number));
        let range = |((axis, &pieces), i): ((&Axis, &u64), u64)| {
            i * axis.cells() / pieces..(i + 1) * axis.cells() / pieces
        };
        let ranges = grid.axes().iter().zip(pieces).zip(at).map(range).collect::<Vec<_>>();
        let cells = Region::new(ranges);
        Gridlet { id: GridletId(number), cost: cells.volume() as f64, cells }
    };
    (0..coarse.cells()).map(gridlet).collect()
}
