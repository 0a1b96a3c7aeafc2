use std::collections::BTreeSet;

use outlast_types::Axis;
use proptest::prelude::*;

use super::*;

fn grid(lengths: &[u64]) -> CellGrid {
    CellGrid::new(lengths.iter().map(|&n| Axis::new(n, 1)).collect()).unwrap()
}

fn lengths(regions: &[Region], axis: usize) -> Vec<u64> {
    regions.iter().map(|r| r.ranges[axis].end - r.ranges[axis].start).collect()
}

/// A base: boxes that fall in two now and then, at any place, along any axis.
fn split(region: Region, dice: &mut impl FnMut() -> u64, depth: u32, out: &mut Vec<Region>) {
    let axis = (dice() % region.ranges.len() as u64) as usize;
    let range = region.ranges[axis].clone();
    if depth == 0 || range.end - range.start < 2 || dice().is_multiple_of(8) {
        out.push(region);
        return;
    }
    let at = range.start + 1 + dice() % (range.end - range.start - 1);
    let (mut low, mut high) = (region.clone(), region);
    low.ranges[axis].end = at;
    high.ranges[axis].start = at;
    split(low, dice, depth - 1, out);
    split(high, dice, depth - 1, out);
}

fn any_base() -> impl Strategy<Value = (CellGrid, Vec<Region>)> {
    let tiled = prop::collection::vec((1u64..20, 1u64..9), 1..4).prop_map(|axes| {
        let grid = grid(&axes.iter().map(|&(length, _)| length).collect::<Vec<_>>());
        let base = grid.tiles(&axes.iter().map(|&(_, step)| step).collect::<Vec<_>>());
        (grid, base)
    });
    let uneven = (prop::collection::vec(1u64..14, 1..4), any::<u64>(), 0u32..6).prop_map(
        |(axes, mut state, depth)| {
            let grid = grid(&axes);
            let mut dice = move || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 33
            };
            let mut base = Vec::new();
            split(grid.whole(), &mut dice, depth, &mut base);
            (grid, base)
        },
    );
    prop_oneof![tiled, uneven]
}

fn any_partitioning() -> impl Strategy<Value = Partitioning> {
    prop_oneof![
        Just(Partitioning::Standard),
        Just(Partitioning::Overlapped),
        Just(Partitioning::Meshed),
        (1u8..100).prop_map(|percent| Partitioning::Relaxed { percent }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn each_layer_partitions_the_cells_but_for_a_relaxed_one(
        (grid, base) in any_base(),
        partitioning in any_partitioning(),
        replicas in 2u8..7,
        seed in any::<u64>(),
    ) {
        let Ok(plan) = plan_seeded(&grid, &base, partitioning, replicas, seed) else {
            return Ok(());
        };
        prop_assert!(plan.layers.len() <= usize::from(replicas));
        prop_assert!(plan.layers.iter().flatten().all(|region| region.volume() > 0));
        let relaxed = matches!(partitioning, Partitioning::Relaxed { .. });
        for (nth, layer) in plan.layers.iter().enumerate() {
            let mut covered = vec![0u32; grid.cells() as usize];
            for cell in layer.iter().flat_map(|region| grid.cells_in(region)) {
                covered[cell.index()] += 1;
            }
            if relaxed && nth > 0 {
                prop_assert!(covered.iter().all(|&times| times <= 1));
            } else {
                prop_assert!(covered.iter().all(|&times| times == 1), "layer {nth}");
            }
        }
        if partitioning != Partitioning::Standard {
            prop_assert!(plan.layers.len() >= 2);
        }
    }

    #[test]
    fn no_two_overlapped_gridlets_are_equal_where_the_cells_allow_it(
        (grid, base) in any_base(),
        replicas in 2u8..6,
    ) {
        let Ok(plan) = plan(&grid, &base, Partitioning::Overlapped, replicas) else {
            return Ok(());
        };
        let count = plan.layers.len() as u64;
        let (axis, _) = shift::best_axis(&grid, &base).unwrap();
        let long = |r: &&Region| r.ranges[axis].end - r.ranges[axis].start >= count;
        let mut seen: BTreeSet<Vec<(u64, u64)>> = BTreeSet::new();
        for region in plan.layers.iter().flatten() {
            if seen.insert(key(region)) {
                continue;
            }
            // Some layer before has it too: no gridlet of the base that it begins in is long enough
            // to be cut at so many places.
            let first: Vec<u64> = region.ranges.iter().map(|r| r.start).collect();
            let begins = base.iter().find(|r| r.contains(&first)).filter(long);
            prop_assert!(begins.is_none(), "{region:?} twice");
        }
    }

    #[test]
    fn meshed_gridlets_of_one_layer_cross_all_of_the_others(
        (grid, base) in any_base(),
        replicas in 2u8..5,
    ) {
        let plan = match plan(&grid, &base, Partitioning::Meshed, replicas) {
            Ok(plan) => plan,
            Err(PlanError::OneDimension { .. } | PlanError::OneCell { .. }) => return Ok(()),
            Err(other) => panic!("{other}"),
        };
        for (a, b) in pairs(plan.layers.len()) {
            for one in &plan.layers[a] {
                for other in &plan.layers[b] {
                    let both = one.ranges.iter().zip(&other.ranges);
                    prop_assert!(both.clone().all(|(x, y)| x.start < y.end && y.start < x.end));
                }
            }
        }
        if plan.layers.len() == 2 {
            let crossings = plan.layers[0].len() * plan.layers[1].len();
            prop_assert_eq!(plan.comparison_count(&grid), crossings);
        }
    }

    #[test]
    fn comparison_points_partition_what_is_compared_and_split_no_gridlet(
        (grid, base) in any_base(),
        partitioning in any_partitioning(),
        replicas in 2u8..5,
    ) {
        let Ok(plan) = plan(&grid, &base, partitioning, replicas) else { return Ok(()) };
        let points = plan.comparison_points(&grid);
        prop_assert_eq!(points.len(), plan.comparison_count(&grid));
        let owners = plan.owners(&grid);
        let covers = plan.covers(&grid);
        let mut covered = vec![false; grid.cells() as usize];
        for point in &points {
            let cells: Vec<CellId> = grid.cells_in(point).collect();
            for layer in &owners {
                let owner = layer[cells[0].index()];
                prop_assert!(cells.iter().all(|cell| layer[cell.index()] == owner));
            }
            for cell in cells {
                prop_assert!(!std::mem::replace(&mut covered[cell.index()], true));
            }
        }
        for (cell, covered) in covered.into_iter().enumerate() {
            let wanted = usize::from(covers[cell]) == plan.layers.len();
            prop_assert_eq!(covered, wanted, "cell {}", cell);
        }
    }

    #[test]
    fn a_relaxed_plan_does_about_the_share_again_and_the_same_part_in_all_layers(
        (grid, base) in any_base(),
        percent in 1u8..100,
        seed in any::<u64>(),
    ) {
        let relaxed = Partitioning::Relaxed { percent };
        let Ok(plan) = plan_seeded(&grid, &base, relaxed, 4, seed) else { return Ok(()) };
        let volume = |layer: &[Region]| layer.iter().map(Region::volume).sum::<u64>();
        let again = volume(&plan.layers[1]);
        prop_assert!(plan.layers.iter().skip(1).all(|layer| volume(layer) == again));
        let covers = plan.covers(&grid);
        let layers = plan.layers.len() as u8;
        prop_assert!(covers.iter().all(|&n| n == 1 || n == layers));
        let wanted = (u64::from(grid.cells()) * u64::from(percent)).div_ceil(100);
        let largest = plan.layers[1].iter().map(Region::volume).max().unwrap();
        prop_assert!((wanted..wanted + largest).contains(&again), "{again} for {wanted}");
    }
}

fn key(region: &Region) -> Vec<(u64, u64)> {
    region.ranges.iter().map(|r| (r.start, r.end)).collect()
}

fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |a| (a + 1..n).map(move |b| (a, b)))
}

#[test]
fn an_overlapped_layer_has_one_gridlet_more_with_shorter_ends() {
    let grid = grid(&[12]);
    let plan = plan(&grid, &grid.tiles(&[4]), Partitioning::Overlapped, 2).unwrap();
    assert_eq!(lengths(&plan.layers[0], 0), [4, 4, 4]);
    assert_eq!(lengths(&plan.layers[1], 0), [2, 4, 4, 2]);
    assert_eq!(plan.comparison_count(&grid), 6);
}

#[test]
fn uneven_gridlets_are_shifted_by_the_same_share_of_each() {
    let grid = grid(&[12]);
    let base = [0..2, 2..8, 8..12].map(|r| Region::new([r]));
    let plan = plan(&grid, &base, Partitioning::Overlapped, 2).unwrap();
    let cuts: Vec<u64> = plan.layers[1].iter().map(|r| r.ranges[0].end).collect();
    assert_eq!(cuts, [1, 5, 10, 12]);
}

#[test]
fn there_are_no_more_layers_than_cells_in_the_longest_gridlet() {
    let grid = grid(&[12]);
    let plan = plan(&grid, &grid.tiles(&[3]), Partitioning::Overlapped, 9).unwrap();
    assert_eq!(plan.layers.len(), 3);
}

#[test]
fn the_cut_axis_is_shifted_not_a_longer_one() {
    let grid = grid(&[8, 100]);
    let plan = plan(&grid, &grid.tiles(&[4, 100]), Partitioning::Overlapped, 2).unwrap();
    assert_eq!(lengths(&plan.layers[1], 0), [2, 4, 2]);
    assert_eq!(lengths(&plan.layers[1], 1), [100, 100, 100]);
}

#[test]
fn bands_are_meshed_with_as_many_columns() {
    let grid = grid(&[12, 30]);
    let base = grid.tiles(&[2, 30]);
    let plan = plan(&grid, &base, Partitioning::Meshed, 3).unwrap();
    assert_eq!(plan.layers.len(), 2);
    assert_eq!(plan.layers[0], base);
    assert_eq!(lengths(&plan.layers[1], 1), [5; 6]);
    assert_eq!(plan.comparison_count(&grid), 36);
}

#[test]
fn three_dimensions_are_meshed_three_times() {
    let grid = grid(&[4, 5, 6]);
    let plan = plan(&grid, &grid.tiles(&[2, 5, 3]), Partitioning::Meshed, 3).unwrap();
    let slabs: Vec<usize> = plan.layers.iter().map(Vec::len).collect();
    assert_eq!(slabs, [4, 4, 4]);
    assert_eq!(plan.comparison_count(&grid), 64);
}

#[test]
fn standard_compares_whole_gridlets() {
    let grid = grid(&[7, 7]);
    let base = grid.tiles(&[3, 3]);
    let plan = plan(&grid, &base, Partitioning::Standard, 3).unwrap();
    assert_eq!(plan.layers, vec![base.clone()]);
    assert_eq!(plan.comparison_points(&grid), base);
}

#[test]
fn what_cannot_be_cut_differently_is_refused_with_what_would_work() {
    let says = |lengths: &[u64], tile: &[u64], partitioning, replicas| {
        let grid = grid(lengths);
        plan(&grid, &grid.tiles(tile), partitioning, replicas).unwrap_err().to_string()
    };
    let overlapped = Partitioning::Overlapped;
    assert_eq!(
        says(&[8], &[1], overlapped, 2),
        "overlapped partitioning of 8 gridlets of one cell each, expected gridlets of at least 2 \
         cells: use at most 4 gridlets, or smaller pieces"
    );
    assert_eq!(
        says(&[8], &[2], overlapped, 1),
        "overlapped partitioning with 1 replica, expected at least 2; raise the replication, or \
         use standard partitioning"
    );
    assert_eq!(
        says(&[8, 1], &[2, 1], Partitioning::Meshed, 2),
        "meshed partitioning of work that can be cut in 1 dimension(s), expected 2 or more with \
         at least 2 cells each; use overlapped"
    );
    assert_eq!(
        says(&[2, 5000, 2], &[1, 1000, 1], Partitioning::Meshed, 3),
        "meshed gridlets of 10000 cells, expected at most 4096; use larger pieces, or overlapped"
    );
    assert_eq!(
        says(&[1], &[1], overlapped, 2),
        "overlapped partitioning of a single cell, expected at least 2; use standard"
    );
    assert_eq!(
        says(&[8], &[2], Partitioning::Relaxed { percent: 100 }, 2),
        "a relaxed overlap of 100 %, expected 1 to 99; 0 is standard, 100 is overlapped"
    );
}

#[test]
fn a_base_that_is_no_partition_is_refused() {
    let grid = grid(&[4]);
    let with = |ranges: &[(u64, u64)]| {
        let base: Vec<Region> =
            ranges.iter().map(|&(a, b)| Region::new([(a, b)].map(|(a, b)| a..b))).collect();
        plan(&grid, &base, Partitioning::Standard, 1).unwrap_err()
    };
    assert_eq!(with(&[(0, 3)]), PlanError::NotAPartition { cell: CellId(3), found: 0 });
    assert_eq!(with(&[(0, 3), (2, 4)]), PlanError::NotAPartition { cell: CellId(2), found: 2 });
    assert!(matches!(with(&[(0, 5)]), PlanError::NotInside { gridlet: 0, .. }));
    assert!(matches!(with(&[(0, 4), (4, 4)]), PlanError::NotInside { gridlet: 1, .. }));
    let flat = plan(&grid, &[Region::new([0..4, 0..1])], Partitioning::Standard, 1);
    assert!(matches!(flat, Err(PlanError::NotInside { .. })));
}
