use outlast_verify::Policy;

use super::*;
use crate::scenario::Scheme;

fn layout(work: &[u64], gridlets: u32, partitioning: Partitioning) -> Layout {
    let policy = Policy { partitioning, ..Policy::with_majority(3) };
    let scheme = Scheme::Outlast(policy);
    Layout::new(&Scenario { work: work.to_vec(), gridlets, scheme, ..Scenario::default() }).unwrap()
}

#[test]
fn each_partitioning_covers_all_atoms_and_as_many_gridlets_as_asked() {
    let relaxed = Partitioning::Relaxed { percent: 40 };
    for partitioning in
        [Partitioning::Standard, Partitioning::Overlapped, relaxed, Partitioning::Meshed]
    {
        for (work, gridlets) in [(vec![640, 480], 64), (vec![7, 9, 11], 13), (vec![90, 3], 100)] {
            let layout = layout(&work, gridlets, partitioning);
            assert_eq!(
                (0..layout.points()).map(|p| layout.atoms(p)).sum::<u64>(),
                work.iter().product::<u64>()
            );
            if partitioning != Partitioning::Meshed {
                assert_eq!(layout.gridlets(), gridlets, "{partitioning:?} of {work:?}");
            }
            let once =
                |layer: usize| (0..layout.points()).all(|p| layout.owner(layer, p).is_some());
            assert!(once(0));
            assert!((0..layout.pieces()).all(|piece| !layout.points_of(piece).is_empty()));
        }
    }
}

#[test]
fn a_relaxed_layout_has_points_that_are_done_once() {
    let layout = layout(&[1000], 10, Partitioning::Relaxed { percent: 50 });
    let once: f64 =
        (0..layout.points()).filter(|&p| layout.covers(p) == 1).map(|p| layout.weight(p)).sum();
    assert!((3.0..6.0).contains(&once), "{once} of 10 gridlets");
}

#[test]
fn more_gridlets_than_atoms_are_refused() {
    let scenario = Scenario { work: vec![4, 4], gridlets: 17, ..Scenario::default() };
    let error = Layout::new(&scenario).unwrap_err().to_string();
    assert_eq!(error, "17 gridlets, expected 1 to 16");
}
