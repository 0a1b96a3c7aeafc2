use proptest::prelude::*;

use super::*;

fn grid() -> impl Strategy<Value = CellGrid> {
    prop::collection::vec((1u64..40, 1u64..12), 1..4).prop_map(|axes| {
        CellGrid::new(axes.into_iter().map(|(length, step)| Axis::new(length, step)).collect())
            .expect("small")
    })
}

proptest! {
    #[test]
    fn coordinates_and_ids_are_inverse(grid in grid()) {
        for cell in (0..grid.cells()).map(CellId) {
            prop_assert_eq!(grid.cell_at(&grid.coordinates(cell)), cell);
        }
    }

    #[test]
    fn cells_cover_every_atom_once(grid in grid()) {
        let covered: u64 = (0..grid.cells()).map(|c| grid.atoms_of(CellId(c)).volume()).sum();
        prop_assert_eq!(covered, grid.atoms());
    }

    #[test]
    fn tiles_cover_every_cell_once(grid in grid(), extent in prop::collection::vec(1u64..9, 4)) {
        let mut seen = vec![0; grid.cells() as usize];
        for tile in grid.tiles(&extent[..grid.axes().len()]) {
            for cell in grid.cells_in(&tile) {
                seen[cell.index()] += 1;
            }
        }
        prop_assert!(seen.iter().all(|&n| n == 1));
    }
}

#[test]
fn cells_of_an_empty_box_are_none() {
    let grid = CellGrid::new(vec![Axis::new(10, 2)]).expect("small");
    let nothing = 2..2;
    assert_eq!(grid.cells_in(&Region::new([nothing])).count(), 0);
}

#[test]
fn too_many_cells_are_refused() {
    let huge = CellGrid::new(vec![Axis::new(1 << 20, 1), Axis::new(1 << 20, 1)]);
    assert_eq!(huge, Err(SpaceError::TooManyCells { found: 1 << 40 }));
}
