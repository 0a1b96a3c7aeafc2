use outlast_types::Axis;

use super::*;

fn line(range: std::ops::Range<u64>) -> Region {
    Region::new(vec![range])
}

fn layout(layers: &[Vec<Region>]) -> (CellGrid, Layout) {
    let grid = CellGrid::new(vec![Axis::new(12, 1)]).unwrap();
    let cut = |id: u32, cost: f64| {
        let start = u64::from(id) * 4;
        Gridlet { id: GridletId(id), cells: line(start..start + 4), cost }
    };
    let base = [cut(0, 4.0), cut(1, 8.0), cut(2, 4.0)];
    let layout = Layout::new(&grid, &base, layers);
    (grid, layout)
}

fn plain() -> Vec<Region> {
    [0..4, 4..8, 8..12].map(line).into()
}

fn shifted() -> Vec<Region> {
    [0..2, 2..6, 6..10, 10..12].map(line).into()
}

#[test]
fn one_layer_is_the_managers_own() {
    let (grid, layout) = layout(&[]);
    assert_eq!((layout.layers(), layout.len(), layout.base()), (1, 3, 3));
    assert_eq!(layout.base_of(CellId(7)), GridletId(1));
    assert_eq!(layout.touching(&grid, GridletId(1)), BTreeSet::from([GridletId(1)]));
    for count in 0..5 {
        assert_eq!(layout.turn(CellId(7), count), 0);
    }
}

#[test]
fn answers_of_a_cell_go_round_the_layers() {
    let (grid, layout) = layout(&[plain(), shifted()]);
    assert_eq!((layout.layers(), layout.len(), layout.base()), (2, 7, 3));
    assert_eq!(layout.all_of(CellId(5)).collect::<Vec<_>>(), [GridletId(1), GridletId(4)]);
    assert_eq!([0, 1, 2].map(|count| layout.turn(CellId(5), count)), [0, 1, 0]);
    assert_eq!([0, 2, 3, 6].map(|id| layout.layer(GridletId(id))), [0, 0, 1, 1]);
    let touching = layout.touching(&grid, GridletId(4));
    assert_eq!(touching, [0, 1, 4].map(GridletId).into());
}

#[test]
fn a_shifted_gridlet_costs_what_its_cells_cost() {
    let (_, layout) = layout(&[plain(), shifted()]);
    let costs: Vec<f64> = (3..7).map(|id| layout.gridlet(GridletId(id)).cost).collect();
    assert_eq!(costs, [2.0, 6.0, 6.0, 2.0]);
}

#[test]
fn a_cell_that_a_layer_leaves_out_is_computed_in_the_others() {
    let (_, layout) = layout(&[plain(), vec![line(2..6)]]);
    assert_eq!([0, 1, 2].map(|count| layout.turn(CellId(0), count)), [0, 0, 0]);
    assert_eq!([0, 1, 2].map(|count| layout.turn(CellId(3), count)), [0, 1, 0]);
}
