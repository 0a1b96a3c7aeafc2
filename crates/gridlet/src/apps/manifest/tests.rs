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
