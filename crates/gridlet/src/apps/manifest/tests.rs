//! Manifests as users write them, right and wrong.

use expect_test::expect;
use outlast_types::CellId;

use super::{Described, Manifest, shipped};
use crate::apps::testing::{Accepted, Files, Folder, answer, words};
use crate::{
    Application, ApplicationManager, CommandLine, Needs, OpenError, Program, SplitHint, Step,
};

/// A manifest that is right: frames of a film.
const FRAMES: &str = r#"
[app]
name = "film"
summary = "draws frames"
programs = ["draw"]

[[option]]
names = ["-f", "--from"]
value = "integer"
as = "from"
default = 1
effect = "drop"

[[option]]
names = ["-t", "--to"]
value = "integer"
as = "to"
default = 10
effect = "drop"

[[option]]
names = ["-q"]

[[word]]
as = "scene"
value = "path"
role = "input"

[split]
by = "ranges"
from = "from"
to = "to"
variable = "frame"

[gridlet]
run = ["{program}", "{options}", "{scene}", "{frame}"]
results = "out{frame:04}.png"

[merge]
by = "files"
to = "{scene.stem}-{frame:04}.png"
"#;

fn broken(text: &str) -> String {
    match Manifest::parse("film.toml", text) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(broken) => broken.render(),
    }
}

fn open(
    manifest: &str,
    command: &str,
    files: &[(&str, &str)],
    gridlets: u32,
) -> Result<std::sync::Arc<dyn ApplicationManager>, OpenError> {
    let manifest =
        Manifest::parse("film.toml", manifest).unwrap_or_else(|b| panic!("{}", b.render()));
    let application = Described::new(manifest);
    let command = CommandLine { argv: words(command), ..CommandLine::default() };
    let hint = SplitHint { slots: 1, gridlets: Some(gridlets) };
    let manager = application.open(&command, &Files::of(files), hint)?;
    // Whatever a manager does, it does so after a restart.
    let restored = if manager.restorer() == "manifest" {
        super::Restorer.restore(&manager.state())?
    } else {
        manager
    };
    Ok(restored)
}

fn steps(manager: &dyn ApplicationManager) -> Vec<Step> {
    let recipe = |gridlet: &crate::Gridlet| {
        let cells: Vec<CellId> = manager.grid().cells_in(&gridlet.cells).collect();
        manager.recipe(gridlet, &cells).steps
    };
    manager.gridlets().iter().flat_map(recipe).collect()
}

#[test]
fn shipped_manifests_are_right_and_all_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../apps");
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    let mut known: Vec<String> = Vec::new();
    for (file, text) in super::shipped::SHIPPED {
        let manifest = Manifest::parse(file, text).unwrap_or_else(|b| panic!("{}", b.render()));
        assert_eq!(format!("apps/{}.toml", manifest.name), *file);
        known.extend(file.strip_prefix("apps/").map(str::to_owned));
    }
    known.sort();
    assert_eq!(known, there, "apps/*.toml, and the list in shipped.rs");
    assert_eq!(shipped().len(), known.len());
}

#[test]
fn files_become_gridlets_that_need_their_own_files_only() {
    let gzip =
        super::shipped::SHIPPED.iter().find(|(file, _)| *file == "apps/gzip.toml").unwrap().1;
    let files = [("a.txt", "1"), ("d/b.txt", "22"), ("d/c.txt", "3")];
    let manager = open(gzip, "gzip -9k -S .z a.txt d", &files, 2).unwrap();
    assert_eq!(manager.gridlets().len(), 2);
    assert_eq!(manager.inputs().len(), 3);
    let steps = steps(manager.as_ref());
    assert_eq!(steps.len(), 3);
    assert_eq!(steps[1].program, Program::Installed("gzip".to_owned()));
    assert_eq!(steps[1].args, ["-9", "-n", "-c"]);
    assert_eq!(steps[1].inputs, Needs::Only(vec!["d/b.txt".to_owned()]));
    assert_eq!(steps[1].stdin.as_deref(), Some("d/b.txt"));
    let mut accepted = Accepted::default();
    for (cell, name) in ["a.txt.z", "d/b.txt.z", "d/c.txt.z"].into_iter().enumerate() {
        accepted.0.insert(CellId(cell as u32), answer(cell as u32, 0, &[(name, name)]));
        manager.check(&accepted.0[&CellId(cell as u32)], &accepted).unwrap();
    }
    let mut folder = Folder::default();
    let merged = manager.merge(&accepted, &mut folder).unwrap();
    assert_eq!(merged.files, ["a.txt.z", "d/b.txt.z", "d/c.txt.z"]);
    assert_eq!(folder.0["d/b.txt.z"], "d/b.txt.z");
}

#[test]
fn a_gridlet_says_nothing_of_the_files_of_others() {
    let gzip = super::shipped::SHIPPED.iter().find(|(file, _)| *file == "apps/gzip.toml");
    let names: Vec<String> = (0..4000).map(|n| format!("logs/of-the-year/{n:05}.log")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let command = format!("gzip {}", names.join(" "));
    let manager = open(gzip.unwrap().1, &command, &files, 4).unwrap();
    assert_eq!(manager.gridlets().len(), 4);
    for gridlet in manager.gridlets() {
        let cells: Vec<CellId> = manager.grid().cells_in(&gridlet.cells).collect();
        let recipe = manager.recipe(gridlet, &cells);
        let bytes = outlast_types::wire::encode(&recipe, usize::MAX).unwrap().len();
        assert!(bytes < 400 * cells.len(), "{bytes} bytes for {} cells", cells.len());
    }
}

#[test]
fn what_cant_be_split_runs_as_one_gridlet_and_says_why() {
    let gzip =
        super::shipped::SHIPPED.iter().find(|(file, _)| *file == "apps/gzip.toml").unwrap().1;
    let files = [("a.txt.gz", "1")];
    for (command, why) in [
        (
            "gzip -d a.txt.gz",
            "gzip: only compressing into files is done file by file (`-d`), so it runs as one gridlet",
        ),
        (
            "gzip --frob a.txt.gz",
            "gzip: the option `--frob` isn't known to gzip, so it runs as one gridlet",
        ),
        (
            "gzip",
            "gzip: expected at least 1 words that are no options (inputs), found 0, so it runs as one gridlet",
        ),
    ] {
        let manager = open(gzip, command, &files, 2).unwrap();
        assert_eq!(manager.app(), "command");
        assert_eq!(manager.notes(), [why]);
    }
}

#[test]
fn a_range_is_cut_into_atoms_with_their_numbers() {
    let manager = open(FRAMES, "draw -q a.pov --to=7 -f5", &[("a.pov", "")], 2).unwrap();
    assert_eq!(manager.atom(), "number");
    let args: Vec<Vec<String>> =
        steps(manager.as_ref()).into_iter().map(|step| step.args).collect();
    let expected = ["5", "6", "7"].map(|n| words(&format!("-q a.pov {n}")));
    assert_eq!(args, expected);
    let error = open(FRAMES, "draw a.pov --to x", &[("a.pov", "")], 2).err().unwrap();
    assert_eq!(error.to_string(), "`--to`: expected an integer, found `x`");
}

#[test]
fn the_first_problem_is_shown_like_a_compiler_does() {
    let text = FRAMES
        .replace("summary", "summery")
        .replace("{scene.stem}-{frame:04}", "{scne.stem}-{frame:04}");
    expect![[r#"
        error: [app] has no `summary`, expected a line about what it does
         --> film.toml:2:1
          |
        2 | [app]
          | ^^^^^

        error: unknown key `summery` in [app]
         --> film.toml:4:1
          |
        4 | summery = "draws frames"
          | ^^^^^^^
          = help: did you mean `summary`?

    "#]]
    .assert_eq(&broken(&text));
}

/// Pictures by tiles, for what ranges don't have.
const TILES: &str = r#"
[app]
name = "tiles"
summary = "paints"
programs = ["paint"]
[split]
by = "tiles"
width = 64
height = 48
[gridlet]
run = ["paint", "{x}", "{y}", "{width}", "{height}"]
results = "tile.png"
[merge]
by = "tiles"
to = "all.png"
"#;

/// Place and text of each problem of a manifest in which one thing is replaced.
fn problems(text: &str, from: &str, to: &str) -> Vec<String> {
    assert!(text.contains(from), "{from}");
    let Err(broken) = Manifest::parse("x.toml", &text.replacen(from, to, 1)) else {
        return Vec::new();
    };
    let place = |d: &super::Diagnostic| format!("{}:{}: {}", d.line, d.column, d.message);
    broken.diagnostics.iter().map(place).collect()
}

#[test]
fn each_mistake_is_named_with_its_place() {
    let mut all = String::new();
    for (from, to) in [
        ("[split]", "[split"),
        ("[gridlet]", "[gridlets]"),
        ("value = \"integer\"\nas = \"to\"", "value = 3\nas = \"to\""),
        ("\"integer\"\nas = \"to\"", "\"intger\"\nas = \"to\""),
        ("default = 10", "default = \"x\""),
        ("\"-t\", \"--to\"", "\"-f\", \"--to\""),
        ("as = \"to\"", "as = \"from\""),
        ("as = \"to\"", "as = \"to-\""),
        ("default = 10\n", ""),
        ("to = \"to\"", "to = \"from +\""),
        ("to = \"to\"", "to = \"ot\""),
        ("to = \"to\"", "to = \"to\"\nstep = 0"),
        ("from = \"from\"\nto = \"to\"", "from = 9\nto = 1"),
        ("variable = \"frame\"", "variable = \"from\""),
        ("\"{scene}\", \"{frame}\"", "\"{scene}\""),
        ("\"{scene}\", \"{frame}\"", "\"{first}\""),
        ("\"{scene}\", \"{frame}\"", "\"{last}\""),
        ("\"{frame}\"]", "\"{frame}\", \"{first}\"]"),
        (
            "\"{frame}\"]\nresults = \"out{frame:04}.png\"",
            "\"{first}\", \"{last}\"]\nresults = [\"out{frame:04}.png\", \"log\"]",
        ),
        ("\"out{frame:04}.png\"", "\"/tmp/{frame}.png\""),
        ("\"out{frame:04}.png\"", "[\"a\", \"b\"]"),
        ("to = \"{scene.stem}-{frame:04}.png\"", "to = \"{scene.stem}.png\""),
        ("to = \"{scene.stem}-{frame:04}.png\"", "to = \"../{frame}\""),
        ("{frame:04}.png\"\n\n[merge]", "{frame:4}.png\"\n\n[merge]"),
        ("by = \"files\"", "by = \"tiles\""),
        ("[\"{program}\", \"{options}\"", "[\"sh\", \"-c\", \"draw {scene}\""),
    ] {
        all.push_str(&problems(FRAMES, from, to).join("\n"));
        all.push('\n');
    }
    expect![[r#"
        29:7: unclosed table, expected `]`
        1:1: no [gridlet], expected a table with the command of a gridlet
        35:2: unknown key `gridlets` in the manifest
        16:9: `value`: expected a text, found an integer
        18:11: `default`: expected a text, found an integer
        16:9: `value`: expected one of integer, number, time, size, path, word, choice, found `intger`
        18:11: `default`: expected a text, found an integer
        18:11: `default`: expected a number, found `x`
        15:10: the option `-f` is there twice
        17:6: the variable `from` is defined twice
        32:6: unknown variable `to`, expected one of from, merge_options, options, program, q, scene
        17:6: a variable's name: expected letters, digits and `_`, beginning with a letter, found `to-`
        31:6: `to` has no value if the command doesn't give one
        32:13: `to`: expected a value, found the end
        32:6: unknown variable `ot`, expected one of from, merge_options, options, program, q, scene, to
        33:8: a step of 0 never gets anywhere, expected another number
        32:6: from 9 to 1 in steps of 1 is nothing at all
        10:6: the variable `from` is one of the split's own
        36:46: unknown variable `frame`, did you mean `from`?
        37:15: unknown variable `frame`, did you mean `from`?
        36:8: the command of a gridlet uses neither {frame} nor {first} and {last}: every run would do the same work
        36:8: the command of a gridlet uses {first} but neither {last} nor {count}: every run would go on to the end, and do the work of the next ones too
        36:8: the command of a gridlet uses {last} or {count} but not {first}: every run would begin at the beginning, and do the work of the others too
        36:8: uses {frame}, so that it runs once for each number, and {first}, so that it runs for several: expected one of both
        37:33: several numbers share a run, and `log` would be the same file for all of them
        41:6: `to`: expected as many names as there are `results`, 2, found 1
        37:11: `/tmp/{frame}.png` is outside of the job's folder
        41:6: `to`: expected as many names as there are `results`, 2, found 1
        41:6: `{scene.stem}.png` is the same for all answers: they would overwrite each other
        41:6: `../{frame}` is outside of the job's folder
        37:15: expected a width such as 04 after the colon, found `4`
        35:1: samples and previews by = "tile" are for [split] by = "tiles"
        41:6: by = "tiles" joins tiles, expected [split] by = "tiles"
        41:20: unknown variable `frame`, did you mean `from`?
        36:26: a placeholder inside of a shell's script: a blank or quote in a file's name would be read as a part of the script
    "#]].assert_eq(&all);
}

#[test]
fn tiles_that_dont_say_where_they_are_are_refused() {
    for (from, to, expected) in [
        (
            "\"{x}\", ",
            "",
            "11:8: the command of a gridlet doesn't use {x} (or {halo_x}): tiles that differ in it would be the same",
        ),
        (
            "width = 64",
            "width = 0",
            "8:9: `width`: expected a whole number of pixels, at least 1, found 0",
        ),
        (
            "results = \"tile.png\"",
            "stdout = \"tile.png\"",
            "12:10: a tile is cut out of a file, expected a program that writes one",
        ),
        (
            "by = \"tiles\"\nto",
            "by = \"concatenate\"\nto",
            "10:1: [split] by = \"tiles\" needs [merge] by = \"tiles\"",
        ),
        (
            "height = 48",
            "height = 48\nhalo = -1",
            "10:8: `halo`: expected a whole number of pixels, at least 0, found -1",
        ),
    ] {
        let found = problems(TILES, from, to);
        assert!(found.iter().any(|problem| problem == expected), "{to}\n{expected}\n{found:#?}");
    }
}

fn covered(manager: &dyn ApplicationManager) -> Vec<u32> {
    let grid = manager.grid();
    let mut cells: Vec<u32> = manager
        .gridlets()
        .iter()
        .flat_map(|gridlet| grid.cells_in(&gridlet.cells).map(|cell| cell.0).collect::<Vec<_>>())
        .collect();
    cells.sort_unstable();
    cells
}

proptest::proptest! {
    #[test]
    fn any_range_is_covered_once(
        from in -50i64..50, count in 1i64..200, step in proptest::sample::select(vec![-7i64, -1, 1, 3]),
        slots in 1u32..20, together: bool,
    ) {
        let run = if together { "\"{first}\", \"{last}\"" } else { "\"{n}\"" };
        let to = from + (count - 1) * step;
        let text = TILES
            .replace("by = \"tiles\"\nwidth = 64\nheight = 48", &format!("by = \"ranges\"\nfrom = {from}\nto = {to}\nstep = {step}"))
            .replace("\"{x}\", \"{y}\", \"{width}\", \"{height}\"", run)
            .replace("by = \"tiles\"", "by = \"concatenate\"");
        let manager = open(&text, "paint", &[], slots).map_err(|e| proptest::test_runner::TestCaseError::fail(e.to_string()))?;
        let cells = manager.grid().cells();
        proptest::prop_assert_eq!(covered(manager.as_ref()), (0..cells).collect::<Vec<_>>());
        let mut numbers = Vec::new();
        for step_ in steps(manager.as_ref()) {
            let ends: Vec<i64> = step_.args.iter().map(|word| word.parse().unwrap()).collect();
            let (first, last) = (ends[0], ends[ends.len() - 1]);
            numbers.extend((0..=(last - first) / step).map(|k| first + k * step));
        }
        let all: Vec<i64> = (0..count).map(|k| from + k * step).collect();
        proptest::prop_assert_eq!(numbers, all);
    }

    #[test]
    fn any_picture_is_covered_once(
        width in 1u64..400, height in 1u64..300, gridlets in 1u32..40, align in 1u64..20, bands: bool,
    ) {
        let text = TILES
            .replace("width = 64", &format!("width = {width}\nalign = {align}\nbands = {bands}"))
            .replace("height = 48", &format!("height = {height}"));
        let manager = open(&text, "paint", &[], gridlets).map_err(|e| proptest::test_runner::TestCaseError::fail(e.to_string()))?;
        let mut painted = vec![0u8; (width * height) as usize];
        for step in steps(manager.as_ref()) {
            let n: Vec<u64> = step.args.iter().map(|word| word.parse().unwrap()).collect();
            for y in n[1]..n[1] + n[3] {
                for x in n[0]..n[0] + n[2] {
                    painted[(y * width + x) as usize] += 1;
                }
            }
        }
        proptest::prop_assert!(painted.iter().all(|times| *times == 1));
        proptest::prop_assert!(manager.gridlets().len() as u64 <= u64::from(gridlets) * 2);
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        at in 0usize..FRAMES.len(), length in 0usize..30, with in "[\\[\\]{}=\"'a-z0-9.\n#ä]{0,12}",
    ) {
        let end = (at + length).min(FRAMES.len());
        let text = format!("{}{with}{}", &FRAMES[..at], &FRAMES[end..]);
        if let Err(broken) = Manifest::parse("x.toml", &text) {
            proptest::prop_assert!(!broken.render().is_empty() && !broken.short().is_empty());
        }
    }

    #[test]
    fn no_command_line_makes_it_panic(words in proptest::collection::vec("[-+=a-z0-9*./]{0,8}", 0..8)) {
        for manifest in shipped() {
            let argv = std::iter::once(manifest.programs[0].clone()).chain(words.clone()).collect();
            let command = CommandLine { argv, ..CommandLine::default() };
            let application = Described::new(manifest);
            let _ = application.recognises(&command);
            let _ = application.open(&command, &Files::of(&[("a", "1")]), SplitHint { slots: 2, gridlets: None });
        }
    }
}
