//! How finely a picture or an animation is cut.

use outlast_types::{Axis, CellGrid, GridletId, Region, limits};

use super::options::usage;
use super::target::{Area, Frames};
use crate::{Gridlet, OpenError, SplitHint};

/// Gridlets for each slot: enough that slow workers hold nobody up at the end.
const PER_SLOT: u64 = 4;

/// Gridlets of a large picture on few slots. With less, the last one to end keeps the others idle for longer than
/// what a run costs.
const FEW: u64 = 16;

/// Pixels of a gridlet that is cut no finer for [`FEW`].
const LARGE: u64 = 1 << 15;

/// Pixels of the smallest gridlet: a run of POV-Ray costs 0.7 s before it renders anything.
const SMALLEST: u64 = 4 * 32 * 32;

/// Gridlets of one picture, whatever is asked for: what a coordinator handles without noticing.
const MOST: u64 = 1 << 14;

/// Cells one above the other in a gridlet of so many pixels. Each is a run of POV-Ray and a result checkpoint:
/// losing a worker costs at most one of them.
fn cells_per_gridlet(pixels: u64) -> u64 {
    match pixels {
        0..32_768 => 1,
        32_768..262_144 => 2,
        _ => 4,
    }
}

fn target(hint: &SplitHint, few: u64, most: u64) -> u64 {
    let asked = hint.gridlets.map(u64::from);
    asked.unwrap_or_else(|| (u64::from(hint.slots) * PER_SLOT).max(few).min(most)).clamp(1, MOST)
}

fn gridlets(grid: &CellGrid, extent: &[u64]) -> Vec<Gridlet> {
    let cost = |cells: &Region| {
        let axes = grid.axes().iter().zip(&cells.ranges);
        let atoms = axes.map(|(axis, range)| {
            axis.atoms(range.end.saturating_sub(1)).end - axis.atoms(range.start).start
        });
        atoms.product::<u64>() as f64
    };
    let boxes = grid.tiles(extent).into_iter().enumerate();
    boxes
        .map(|(id, cells)| Gridlet { id: GridletId(id as u32), cost: cost(&cells), cells })
        .collect()
}

fn grid(axes: Vec<Axis>) -> Result<CellGrid, OpenError> {
    CellGrid::new(axes).map_err(|error| usage(error.to_string()))
}

/// Steps in blocks.
#[derive(Clone, Copy, Debug)]
struct Layout {
    row_step: u64,
    column_step: u64,
    /// Cells one above the other in a gridlet.
    cells: u64,
    /// How many gridlets too many or too few.
    off: u64,
}

/// The layout with the number of gridlets nearest to what is wanted; of those the most even; of those the one with
/// the fewest columns.
fn layout(rows: u64, columns: u64, cells: u64, wanted: u64) -> Layout {
    let candidates = (1..=rows.min(wanted)).flat_map(|bands| {
        let row_step = rows.div_ceil(bands * cells);
        let bands = rows.div_ceil(row_step).div_ceil(cells);
        let per_band = (wanted / bands).clamp(1, columns);
        [per_band, (per_band + 1).min(columns)].map(|per_band| {
            let column_step = columns.div_ceil(per_band);
            let per_band = columns.div_ceil(column_step);
            let off = (bands * per_band).abs_diff(wanted);
            let room = row_step * cells * column_step * bands * per_band;
            ((off, room, per_band), Layout { row_step, column_step, cells, off })
        })
    });
    let best = candidates.min_by_key(|(key, _)| *key);
    best.expect("a picture has rows, so there is a candidate").1
}

/// Rows × columns of pixels, cut on the raster of POV-Ray's blocks.
pub(super) fn picture(
    area: &Area,
    raster: u32,
    hint: &SplitHint,
) -> Result<(CellGrid, Vec<Gridlet>), OpenError> {
    let pixels = u64::from(area.width) * u64::from(area.height);
    let few = FEW.min(pixels / LARGE);
    let wanted = target(hint, few, pixels / SMALLEST);
    let blocks = |size: u32| u64::from(size.div_ceil(raster));
    let (rows, columns) = (blocks(area.height), blocks(area.width));
    // More cells in a gridlet are worth a number of gridlets that is somewhat off, unless it was asked for.
    let most = cells_per_gridlet(pixels / wanted);
    let slack = if hint.gridlets.is_some() { 0 } else { wanted / 4 };
    let layouts = (1..=most).rev().map(|cells| layout(rows, columns, cells, wanted));
    let layouts: Vec<Layout> = layouts.collect();
    let good = layouts.iter().find(|layout| layout.off <= slack);
    let best = good.or(layouts.iter().min_by_key(|layout| layout.off));
    let Layout { row_step, column_step, cells, .. } =
        *best.expect("there is a layout for one cell at least");
    let raster = u64::from(raster);
    let grid = grid(vec![
        Axis::new(u64::from(area.height), row_step * raster),
        Axis::new(u64::from(area.width), column_step * raster),
    ])?;
    let gridlets = gridlets(&grid, &[cells, 1]);
    Ok((grid, gridlets))
}

/// A picture in one piece.
pub(super) fn whole(area: &Area) -> Result<(CellGrid, Vec<Gridlet>), OpenError> {
    let axis = |size: u32| Axis::new(u64::from(size), u64::from(size));
    let grid = grid(vec![axis(area.height), axis(area.width)])?;
    let gridlets = gridlets(&grid, &[1, 1]);
    Ok((grid, gridlets))
}

/// Frames, a cell each; `together` if they depend on one another.
pub(super) fn animation(
    frames: &Frames,
    together: bool,
    hint: &SplitHint,
) -> Result<(CellGrid, Vec<Gridlet>), OpenError> {
    let count = u64::from(frames.count);
    let most = limits::GRIDLET_CELLS as u64;
    let grid = grid(vec![Axis::new(count, 1)])?;
    let each = if together { count } else { count.div_ceil(target(hint, 0, count)) };
    if together && each > most {
        return Err(usage(format!(
            "{count} frames that depend on one another, expected at most {most}"
        )));
    }
    let gridlets = gridlets(&grid, &[each.min(most)]);
    Ok((grid, gridlets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(width: u32, height: u32, slots: u32, wanted: Option<u32>) -> (CellGrid, Vec<Gridlet>) {
        let area = Area { x: 0, y: 0, width, height };
        picture(&area, 32, &SplitHint { slots, gridlets: wanted }).unwrap()
    }

    #[test]
    fn a_large_picture_becomes_four_gridlets_a_slot_but_not_too_few() {
        let (_, gridlets) = split(1920, 1080, 10, None);
        assert_eq!(gridlets.len(), 40);
        let (grid, gridlets) = split(1920, 1080, 2, None);
        assert_eq!(gridlets.len(), 16);
        assert_eq!(gridlets[0].cells.volume(), 2);
        assert!(grid.axes().iter().all(|axis| axis.step() % 32 == 0));
        let total: f64 = gridlets.iter().map(|gridlet| gridlet.cost).sum();
        assert_eq!(total, 1920.0 * 1080.0);
    }

    #[test]
    fn a_small_picture_is_not_cut_to_dust() {
        assert_eq!(split(100, 80, 64, None).1.len(), 1);
        assert!(split(320, 240, 64, None).1.len() <= 18);
    }

    proptest::proptest! {
        #[test]
        fn gridlets_cover_the_picture_once(
            width in 1u32..3000, height in 1u32..3000, slots in 1u32..50,
            wanted in proptest::option::of(1u32..200),
        ) {
            let (grid, gridlets) = split(width, height, slots, wanted);
            let mut cells: Vec<_> =
                gridlets.iter().flat_map(|gridlet| grid.cells_in(&gridlet.cells)).collect();
            cells.sort();
            proptest::prop_assert_eq!(cells.len(), grid.cells() as usize);
            cells.dedup();
            proptest::prop_assert_eq!(cells.len(), grid.cells() as usize);
            let blocks = width.div_ceil(32) * height.div_ceil(32);
            let asked = wanted.unwrap_or((slots * 4).max(FEW as u32)).min(blocks);
            proptest::prop_assert!(gridlets.len() as u32 <= asked * 2, "{} of {}", gridlets.len(), asked);
        }
    }
}
