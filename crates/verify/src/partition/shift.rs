//! Layers that are shifted against each other along one axis.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use outlast_types::{CellGrid, Region};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use super::PlanError;

/// Gridlets that lie one behind the other along the axis, with the same extent in all others: the cuts
/// between them, from the first one's start to the last one's end.
struct Run {
    /// The box of all of them.
    whole: Region,
    /// `n + 1` cuts of `n` gridlets.
    cuts: Vec<u64>,
}

/// Layer j is shifted by `j / layers` of each gridlet's length. There are as many layers as replicas,
/// or as cells in the longest gridlet if those are fewer: a shift of less than a cell is none.
///
/// Two gridlets of different layers are equal only where the gridlets of the base that they lie in are
/// shorter than the number of layers: such can't be cut at so many places.
pub(super) fn layers(
    grid: &CellGrid,
    base: &[Region],
    replicas: u8,
) -> Result<Vec<Vec<Region>>, PlanError> {
    let Some((axis, longest)) = best_axis(grid, base) else {
        return Err(PlanError::NoRoom { gridlets: base.len(), most: (grid.cells() / 2).max(1) });
    };
    let count = u64::from(replicas).min(longest);
    let runs = runs(base, axis);
    let mut layers = vec![base.to_vec()];
    for layer in 1..count {
        layers.push(runs.iter().flat_map(|run| run.shifted(axis, layer, count)).collect());
    }
    Ok(layers)
}

/// The axis along which gridlets are longest, and how long; one that is cut is preferred, since the
/// gridlets of one that isn't would fall in two. None if all have one cell in each direction.
pub(super) fn best_axis(grid: &CellGrid, base: &[Region]) -> Option<(usize, u64)> {
    let whole = grid.whole();
    let axes = whole.ranges.iter().enumerate().filter_map(|(axis, all)| {
        let longest = base.iter().map(|r| length(&r.ranges[axis])).max()?;
        let cut = base.iter().any(|r| r.ranges[axis] != *all);
        (longest >= 2).then_some((cut, longest, axis))
    });
    // Of equal ones the first: row-major boxes stay longer pieces of memory.
    let best = axes.max_by_key(|&(cut, longest, axis)| (cut, longest, std::cmp::Reverse(axis)));
    best.map(|(_, longest, axis)| (axis, longest))
}

/// The runs of a base along an axis. Any partition into boxes has them, if only of one box each.
fn runs(base: &[Region], axis: usize) -> Vec<Run> {
    let mut columns: BTreeMap<Vec<(u64, u64)>, Vec<&Region>> = BTreeMap::new();
    for region in base {
        let mut section: Vec<_> = region.ranges.iter().map(|r| (r.start, r.end)).collect();
        section.remove(axis);
        columns.entry(section).or_default().push(region);
    }
    let mut runs: Vec<Run> = Vec::new();
    for mut column in columns.into_values() {
        column.sort_by_key(|region| region.ranges[axis].start);
        let mut open: Option<Run> = None;
        for region in column {
            let Range { start, end } = region.ranges[axis];
            match &mut open {
                Some(run) if run.whole.ranges[axis].end == start => {
                    run.whole.ranges[axis].end = end;
                    run.cuts.push(end);
                }
                _ => {
                    let next = Run { whole: region.clone(), cuts: vec![start, end] };
                    runs.extend(open.replace(next));
                }
            }
        }
        runs.extend(open);
    }
    runs
}

impl Run {
    /// Its gridlets in layer `layer` of `count`: one more, the first and the last ones shorter.
    fn shifted(&self, axis: usize, layer: u64, count: u64) -> Vec<Region> {
        let whole = &self.whole.ranges[axis];
        let cuts = self.cuts.windows(2).map(|cut| {
            // `layer < count`, so that each cut stays inside its gridlet. Lengths are below 2^24
            // (JOB_CELLS), so nothing overflows.
            cut[0] + (cut[1] - cut[0]) * layer / count
        });
        let mut pieces = Vec::with_capacity(self.cuts.len());
        let mut start = whole.start;
        for end in cuts.chain([whole.end]) {
            if end > start {
                let mut piece = self.whole.clone();
                piece.ranges[axis] = start..end;
                pieces.push(piece);
                start = end;
            }
        }
        pieces
    }
}

/// Keeps of the layers above 0 only a part of about `percent` of the cells, the same one in all: whole
/// gridlets of layer 1, chosen by the seed.
pub(super) fn relax(
    grid: &CellGrid,
    mut layers: Vec<Vec<Region>>,
    percent: u8,
    seed: u64,
) -> Vec<Vec<Region>> {
    let wanted = (u64::from(grid.cells()) * u64::from(percent)).div_ceil(100);
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut left = layers[1].clone();
    let mut chosen: Vec<Region> = Vec::new();
    let mut volume = 0;
    while volume < wanted && !left.is_empty() {
        let pick = (u128::from(rng.next_u64()) * left.len() as u128) >> 64;
        let region = left.swap_remove(pick as usize);
        volume += region.volume();
        chosen.push(region);
    }
    chosen.sort_by(|a, b| starts(a).cmp(starts(b)));
    for layer in layers.iter_mut().skip(2) {
        *layer = common(grid, layer, &chosen);
    }
    layers[1] = chosen;
    layers
}

fn starts(region: &Region) -> impl Iterator<Item = u64> + '_ {
    region.ranges.iter().map(|range| range.start)
}

/// What lies in a box of the one and a box of the other; both are disjoint among themselves. Looks at
/// each cell once.
fn common(grid: &CellGrid, one: &[Region], other: &[Region]) -> Vec<Region> {
    let mut owners = vec![usize::MAX; grid.cells() as usize];
    for (number, region) in other.iter().enumerate() {
        for cell in grid.cells_in(region) {
            owners[cell.index()] = number;
        }
    }
    let mut all = Vec::new();
    for a in one {
        let meets: BTreeSet<usize> = grid.cells_in(a).map(|cell| owners[cell.index()]).collect();
        all.extend(meets.into_iter().filter_map(|b| intersection(a, other.get(b)?)));
    }
    all
}

fn intersection(a: &Region, b: &Region) -> Option<Region> {
    let both = a.ranges.iter().zip(&b.ranges);
    let ranges: Vec<_> = both.map(|(a, b)| a.start.max(b.start)..a.end.min(b.end)).collect();
    ranges.iter().all(|range| range.start < range.end).then(|| Region::new(ranges))
}

fn length(range: &Range<u64>) -> u64 {
    range.end - range.start
}
