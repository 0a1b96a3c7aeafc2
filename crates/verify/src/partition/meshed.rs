//! Layers whose cuts cross: slabs along one axis, then along another.

use outlast_types::{CellGrid, Region, limits};

use super::PlanError;

/// One layer for each axis that can be cut, at most `replicas`. A slab reaches through the whole work
/// in all directions but its own, so that it meets each slab of each other layer.
pub(super) fn layers(
    grid: &CellGrid,
    base: &[Region],
    replicas: u8,
) -> Result<Vec<Vec<Region>>, PlanError> {
    let whole = grid.whole();
    let axes: Vec<usize> = (0..whole.ranges.len()).filter(|&a| whole.ranges[a].end >= 2).collect();
    if axes.len() < 2 {
        return Err(PlanError::OneDimension { found: axes.len() });
    }
    // The base is a layer already if it is cut along one axis only.
    let cut: Vec<usize> = axes
        .iter()
        .copied()
        .filter(|&a| base.iter().any(|r| r.ranges[a] != whole.ranges[a]))
        .collect();
    let own = match cut[..] {
        [axis] => Some(axis),
        _ => None,
    };
    let mut order = axes;
    // The longest first: there the slabs come closest to the base in number and size.
    order.sort_by_key(|&a| (own != Some(a), std::cmp::Reverse(whole.ranges[a].end), a));
    order.truncate(usize::from(replicas));
    order
        .into_iter()
        .map(|axis| match own {
            Some(own) if own == axis => Ok(base.to_vec()),
            _ => slabs(&whole, axis, base.len()),
        })
        .collect()
}

/// About `wanted` slabs along an axis, of lengths that differ by one at most.
fn slabs(whole: &Region, axis: usize, wanted: usize) -> Result<Vec<Region>, PlanError> {
    let length = whole.ranges[axis].end;
    let section = whole.volume() / length;
    let thickest = limits::GRIDLET_CELLS as u64 / section;
    if thickest == 0 {
        return Err(PlanError::TooLarge { found: section });
    }
    let count = (wanted as u64).max(length.div_ceil(thickest)).clamp(2, length);
    let slab = |i: u64| {
        let mut slab = whole.clone();
        slab.ranges[axis] = length * i / count..length * (i + 1) / count;
        slab
    };
    Ok((0..count).map(slab).collect())
}
