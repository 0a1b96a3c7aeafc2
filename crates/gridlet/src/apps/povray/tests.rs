use outlast_types::CellId;

use super::*;
use crate::apps::testing::{Accepted, Files, answer, words};
use crate::{Blobs, Collect};

const HINT: SplitHint = SplitHint { slots: 2, gridlets: None };

fn open(line: &str) -> Result<Arc<dyn ApplicationManager>, OpenError> {
    let files = Files::of(&[("s.pov", "sphere { }"), ("d/s.pov", "sphere { }")]);
    let command = CommandLine { argv: words(line), ..CommandLine::default() };
    assert!(Povray.recognises(&command));
    Povray.open(&command, &files, HINT)
}

/// What is harvested for each cell: names and rectangles.
fn harvested(manager: &dyn ApplicationManager) -> Vec<Vec<(String, [u32; 4])>> {
    let recipes = manager.gridlets().iter().map(|gridlet| {
        let cells: Vec<CellId> = manager.grid().cells_in(&gridlet.cells).collect();
        manager.recipe(gridlet, &cells)
    });
    let steps = recipes.flat_map(|recipe| recipe.steps);
    let collected = |collect: &Collect| match collect {
        Collect::Tile { path, x, y, width, height } => (path.clone(), [*x, *y, *width, *height]),
        other => panic!("{other:?}"),
    };
    steps
        .map(|step| step.harvest.iter().flat_map(|h| &h.collect).map(collected).collect())
        .collect()
}

#[test]
fn cuts_lie_on_the_raster_counted_from_the_corner_of_the_part() {
    let manager = open("povray s.pov +W700 +H500 +SC11 +SR21").unwrap();
    let rectangles: Vec<[u32; 4]> =
        harvested(manager.as_ref()).concat().iter().map(|h| h.1).collect();
    assert!(rectangles.len() >= 8);
    assert!(rectangles.iter().all(|[x, y, ..]| (x - 10) % 32 == 0 && (y - 20) % 32 == 0));
    let pixels: u32 = rectangles.iter().map(|[_, _, width, height]| width * height).sum();
    assert_eq!(pixels, 690 * 480);
}

#[test]
fn frames_keep_their_numbers_and_the_width_of_their_names() {
    let manager = open("povray s.pov +W32 +H32 +KFI8 +KFF101 +SF98").unwrap();
    let names: Vec<String> =
        harvested(manager.as_ref()).concat().into_iter().map(|h| h.0).collect();
    assert_eq!(names.first().unwrap(), "outlast-out098.png");
    assert_eq!(names.last().unwrap(), "outlast-out101.png");
    assert_eq!(manager.atom(), "frame");
    let cyclic = open("povray s.pov +KFF9 +KC").unwrap();
    assert_eq!(harvested(cyclic.as_ref()).concat()[8].0, "outlast-out09.png");
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    for (line, words) in [
        ("povray", "no scene"),
        ("povray none.pov", "none.pov"),
        ("povray s.pov +FJ", "JPEG"),
        ("povray s.pov +FE", "OpenEXR"),
        ("povray s.pov +O-", "+O-"),
        ("povray s.pov -F", "-F"),
        ("povray s.pov +W0", "Width"),
        ("povray s.pov +W100 +EC101", "End_Column"),
        ("povray s.pov +FPg", "grey PPM"),
        ("povray s.pov +W100000 +H100000", "100000 x 100000"),
        ("povray s.pov +KFF4000000", "frames"),
        ("povray s.pov +KFI-3", "frames"),
        ("povray s.pov +QQ", "Quality"),
    ] {
        let error = open(line).map(drop).unwrap_err().to_string();
        assert!(error.contains(words), "{line}: {error}");
    }
}

#[test]
fn answers_of_the_wrong_form_are_refused() {
    let manager = open("povray s.pov +W32 +H32").unwrap();
    let store = Accepted::default();
    for (wrong, words) in [
        (answer(0, 1, &[("tile", "x")]), "exit code 1"),
        (answer(0, 0, &[]), "0 files"),
        (answer(0, 0, &[("picture", "x")]), "\"picture\""),
        (answer(0, 0, &[("tile", "x")]), "truncated"),
        (answer(0, 0, &[("tile", "xxxxxxxxxxxxxxxxxxxxxxxxx")]), "tile"),
    ] {
        let error = manager.check(&wrong, &store as &dyn Blobs).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn saved_state_of_another_version_is_refused() {
    let manager = open("povray s.pov").unwrap();
    let mut state = manager.state();
    assert_eq!(Povray.restore(&state).unwrap().state(), state);
    state[0] += 1;
    assert!(matches!(Povray.restore(&state), Err(OpenError::State(_))));
    assert!(Povray.restore(&[]).is_err());
}

#[test]
fn samples_lie_in_their_cells_and_never_look_like_a_part_of_one() {
    for line in ["povray s.pov +W95 +H70", "povray s.pov +W95 +H70 +A", "povray s.pov +KFF3"] {
        let manager = open(line).unwrap();
        for seed in 0..50 {
            let cell = CellId(seed as u32 % manager.grid().cells());
            let sample = manager.sample(cell, seed).unwrap();
            // POV-Ray takes an end of 1 for all columns.
            assert!(
                !sample.step.args.iter().any(|arg| arg == "End_Column=1" || arg == "End_Row=1")
            );
            assert_eq!(sample.step.harvest.len(), 1);
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_command_is_opened_or_refused_without_panic(
        argv in proptest::collection::vec(proptest::sample::select(vec![
            "s.pov", "+W33", "+H0", "+H47", "+SC0.3", "+EC31", "+EC0", "+ER1", "+KFF3", "+KFI2", "+KC", "+SF0.5",
            "+EF9", "+FN16", "+FP", "+FC", "+UA", "+A", "+BS16", "+O", "+Ox/", "+Oa.b", "d/s.pov", "+STP2",
            "+Fx", "+Ld", "Declare=x", "-J", "+HIs.pov", "", "[x]", "=", "+", "+FNg",
        ]), 0..8),
    ) {
        let files = Files::of(&[("s.pov", "sphere { }"), ("d/s.pov", "sphere { }")]);
        let argv = std::iter::once("povray").chain(argv).map(str::to_owned).collect();
        let command = CommandLine { argv, ..CommandLine::default() };
        if let Ok(manager) = Povray.open(&command, &files, HINT) {
            let cells: usize = harvested(manager.as_ref()).iter().map(Vec::len).sum();
            proptest::prop_assert_eq!(cells, manager.grid().cells() as usize);
        }
    }
}
