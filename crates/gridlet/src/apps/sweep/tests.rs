use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::apps::testing::{Accepted, Files, Folder, answer, words};
use crate::{InputMode, Program};

fn command(argv: &str, params: &[(&str, &str)]) -> CommandLine {
    let param = |(name, values): &(&str, &str)| ((*name).to_owned(), (*values).to_owned());
    CommandLine {
        argv: words(argv),
        params: params.iter().map(param).collect(),
        ..CommandLine::default()
    }
}

fn hint(slots: u32, gridlets: Option<u32>) -> SplitHint {
    SplitHint { slots, gridlets }
}

fn open(command: &CommandLine, files: &Files, hint: SplitHint) -> Manager {
    Manager::new(Spec::open(command, files, hint).unwrap()).unwrap()
}

fn simple(argv: &str, params: &[(&str, &str)]) -> Manager {
    open(&command(argv, params), &Files::default(), hint(2, None))
}

fn refusal(command: &CommandLine) -> String {
    let files = Files::of(&[("names", "x\n\n y \r\nz"), ("blank", " \n")]);
    Sweep.open(command, &files, hint(1, None)).err().expect("a refusal").to_string()
}

/// The first argument of each run.
fn args(manager: &Manager) -> Vec<String> {
    (0..manager.grid.cells()).map(|cell| manager.step(CellId(cell)).args.join(" ")).collect()
}

fn values(text: &str) -> Vec<String> {
    args(&simple("true {a}", &[("a", text)]))
}

#[test]
fn ranges_include_both_ends_and_are_exact() {
    assert_eq!(values("1..4"), ["1", "2", "3", "4"]);
    assert_eq!(values("1..10:4"), ["1", "5", "9"]);
    assert_eq!(values("2..-1"), ["2", "1", "0", "-1"]);
    assert_eq!(values("10..1:4"), ["10", "6", "2"]);
    assert_eq!(values("10..1:-4"), ["10", "6", "2"]);
    assert_eq!(values("7..7"), ["7"]);
    assert_eq!(values("-0.5..0.5:0.5"), ["-0.5", "0.0", "0.5"]);
    assert_eq!(values("0..1:.25"), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
    assert_eq!(values("08..10"), ["08", "09", "10"]);
    assert_eq!(values("+1..2"), ["1", "2"]);
    let tenths = values("0.1..1.0:0.1");
    assert_eq!(tenths.len(), 10);
    assert_eq!((tenths[2].as_str(), tenths[9].as_str()), ("0.3", "1.0"));
    assert_eq!(values("0.000000000000001..0.000000000000003:0.000000000000001").len(), 3);
}

#[test]
fn lists_have_escapes_and_files_have_lines() {
    assert_eq!(values("x,y,z"), ["x", "y", "z"]);
    assert_eq!(values(r"a\,b,c\\,\d"), ["a,b", r"c\", r"\d"]);
    assert_eq!(values("on,"), ["on", ""]);
    assert_eq!(values("1,../x"), ["1", "../x"]);
    let files = Files::of(&[("names", "x\n\n y \r\n{z}")]);
    let line = command("true {a}", &[("a", "@names")]);
    assert_eq!(args(&open(&line, &files, hint(1, None))), ["x", " y ", "{z}"]);
}

#[test]
fn the_last_parameter_runs_fastest_and_placeholders_stand_everywhere() {
    let files = Files::of(&[("in-x", ""), ("in-y", "")]);
    let mut line = command("true {a} {b}{{{n}}} --v={b}", &[("a", "1..2"), ("b", "x,y")]);
    line.env = vec![("V".to_owned(), "{a}{b}".to_owned())];
    line.stdin = Some("in-{b}".to_owned());
    line.outputs = words("out/{a}/{b} {n}.txt");
    let manager = open(&line, &files, hint(1, None));
    assert_eq!(args(&manager)[..2], ["1 x{0} --v=x", "1 y{1} --v=y"]);
    let step = manager.step(CellId(3));
    assert_eq!(step.args, ["2", "y{3}", "--v=y"]);
    assert_eq!(step.env, [("V".to_owned(), "2y".to_owned())]);
    assert_eq!(step.stdin.as_deref(), Some("in-y"));
    assert_eq!(step.folders, ["out/2"]);
    assert_eq!(manager.outputs(CellId(3)), ["3.txt", "out/2/y"].map(str::to_owned).into());
    assert_eq!(manager.inputs().len(), 2);
}

#[test]
fn the_number_of_a_run_is_padded() {
    let manager = simple("true {n} {a}", &[("a", "1..11")]);
    assert_eq!(args(&manager)[..2], ["00 1", "01 2"]);
    assert_eq!(args(&manager)[10], "10 11");
}

#[test]
fn a_sweep_that_cannot_run_is_refused_with_a_reason() {
    let of = |argv: &str, params: &[(&str, &str)]| refusal(&command(argv, params));
    let value = |text: &str| of("true {a}", &[("a", text)]);
    assert!(of("true {c} {a}", &[("a", "1")]).contains("unknown placeholder `{c}`"));
    assert!(of("true {a", &[("a", "1")]).contains("without its `}`"));
    assert!(of("true a}", &[("a", "1")]).contains("without its `{`"));
    assert!(of("true", &[("a", "1")]).contains("`a` isn't used"));
    assert!(of("{a}", &[("a", "1")]).contains("program's name"));
    assert!(of("true {a}", &[("a", "1"), ("a", "2")]).contains("twice"));
    assert!(of("true {n}", &[("n", "1")]).contains("another name"));
    assert!(of("true", &[("a b", "1")]).contains("`a b`"));
    assert!(of("", &[("a", "1")]).contains("expected a program"));
    assert!(value("1..5:-1").contains("empty range"));
    assert!(value("1..5:0").contains("step of 0"));
    assert!(value("1..x").contains("`x`"));
    assert!(value("1..").contains("decimal number"));
    assert!(value("0.1..0.5").contains("FROM..TO:STEP"));
    assert!(value("1..1000000000000000000").contains("18 digits"));
    assert!(value("1..100000000").contains("cells"));
    assert!(value("0..999999999999999999:0.00000000000000001").contains("cells"));
    assert!(value("x,1..3").contains("in a list"));
    assert!(value("x,y,x").contains("`x` is there twice"));
    assert!(value("").contains("no values"));
    assert!(value("@blank").contains("no values"));
    assert!(value("@gone").contains("input gone"));
    let mut line = command("true {a}", &[("a", "x,..")]);
    line.outputs = words("{a}/o");
    assert!(refusal(&line).contains("`../o`"));
    line.outputs = words("sub/");
    assert!(refusal(&line).contains("`sub/`"));
    line.outputs = Vec::new();
    line.options = BTreeMap::from([("inputs".to_owned(), "move".to_owned())]);
    assert!(refusal(&line).contains("`link` or `copy`"));
    line.options = BTreeMap::from([("color".to_owned(), "red".to_owned())]);
    assert!(refusal(&line).contains("unknown option `color`"));
    line.options.clear();
    line.stdin = Some("in-{a}".to_owned());
    assert!(refusal(&line).contains("in-x"));
    line.stdin = None;
    line.argv[1] = format!("{{a}}{}", "x".repeat(3 << 20));
    assert!(refusal(&line).contains("bytes"));
}

#[test]
fn files_that_arguments_name_are_staged_for_each_value() {
    let files = Files::of(&[
        ("model", ""),
        ("data/1", ""),
        ("data/3", ""),
        ("common", ""),
        ("out-1", "of an earlier run"),
        ("sweep-results/a=1/stdout", ""),
    ]);
    let mut line = command("./model data/{a} --with=common out-{a}", &[("a", "1..3")]);
    line.outputs = words("out-{a}");
    let manager = open(&line, &files, hint(1, None));
    let names = |manager: &Manager| -> Vec<String> {
        manager.inputs().iter().map(|input| input.name.clone()).collect()
    };
    assert_eq!(names(&manager), ["common", "data/1", "data/3", "model"]);
    assert_eq!(manager.spec.program, Program::Staged("model".to_owned()));
    assert!(manager.sample(CellId(0), 0).is_some());
    assert_eq!(manager.recipe(&manager.gridlets[0], &[]).inputs, InputMode::Link);
    line.inputs = words(".");
    line.options = BTreeMap::from([("inputs".to_owned(), "copy".to_owned())]);
    let manager = open(&line, &files, hint(1, None));
    assert_eq!(names(&manager), ["common", "data/1", "data/3", "model", "out-1"]);
    assert_eq!(manager.recipe(&manager.gridlets[0], &[]).inputs, InputMode::Copy);
}

#[test]
fn an_argument_of_too_many_values_is_noted_not_looked_at() {
    let manager = simple("true {a}.txt", &[("a", "1..5000")]);
    assert!(manager.notes()[0].contains("--input"), "{:?}", manager.notes());
    assert!(simple("true {a}", &[("a", "1..5000")]).notes().is_empty());
}

#[test]
fn short_runs_share_gridlets_and_few_runs_get_one_each() {
    let gridlets = |runs: &str, slots: u32, wanted: Option<u32>| {
        let line = command("true {a}", &[("a", runs)]);
        let manager = open(&line, &Files::default(), hint(slots, wanted));
        let largest = manager.gridlets.iter().map(|g| g.cells.volume()).max().unwrap();
        (manager.gridlets.len(), largest)
    };
    assert_eq!(gridlets("1..5000", 2, None), (129, 39));
    assert_eq!(gridlets("1..100", 2, None), (100, 1));
    assert_eq!(gridlets("1..5000", 2, Some(7)), (7, 715));
    assert_eq!(gridlets("1..10", 2, Some(100)), (10, 1));
    let (count, largest) = gridlets("1..10000000", 1, Some(1));
    assert!(largest <= limits::GRIDLET_CELLS as u64 && count < 5000, "{count} {largest}");
    assert!(gridlets("1..10000000", 1 << 20, None).0 as u64 <= 2 * GRIDLETS);
}

#[test]
fn a_lease_of_long_commands_fits_into_a_frame() {
    let long = format!("true {{a}} {}", "x".repeat(5000));
    let manager = simple(&long, &[("a", "1..100000")]);
    let gridlet = &manager.gridlets[0];
    let cells: Vec<CellId> = manager.grid.cells_in(&gridlet.cells).collect();
    let recipe = manager.recipe(gridlet, &cells);
    assert!(wire::encode(&recipe, limits::FRAME_BYTES).is_ok());
    assert!(cells.len() > 100);
}

#[test]
fn a_million_runs_are_described_by_their_axes() {
    let manager = open(
        &command("true {a} {b}", &[("a", "0.001..1:0.001"), ("b", "1..1000")]),
        &Files::default(),
        hint(2, Some(10_000)),
    );
    assert_eq!(manager.gridlets.len(), 10_000);
    assert!(manager.gridlets.iter().all(|gridlet| gridlet.cells.volume() == 100));
    assert!(manager.state().len() < 1000);
    assert_eq!(manager.step(CellId(999_999)).args, ["1.000", "1000"]);
}

#[test]
fn a_restored_manager_is_the_same() {
    let mut line = command("true {a} {b}", &[("a", "1..9"), ("b", "x,y")]);
    line.outputs = words("{a}.txt");
    let manager = open(&line, &Files::default(), hint(2, Some(4)));
    let again = Sweep.restore(&manager.state()).unwrap();
    assert_eq!(again.state(), manager.state());
    assert_eq!(again.gridlets(), manager.gridlets());
    let mut broken = manager.spec.clone();
    broken.pieces = vec![0, 1];
    assert!(Sweep.restore(&wire::encode(&broken, usize::MAX).unwrap()).is_err());
    broken = manager.spec.clone();
    broken.parameters.pop();
    broken.pieces.pop();
    assert!(Sweep.restore(&wire::encode(&broken, usize::MAX).unwrap()).is_err());
}

#[test]
fn each_run_has_its_folder_and_its_line_in_the_manifests() {
    let mut line = command("true {a} {b}", &[("a", "1..2"), ("b", "x,p/q \"r\"")]);
    line.argv.push("\"".to_owned());
    let manager = open(&line, &Files::default(), hint(1, None));
    let accepted = Accepted(
        [
            answer(0, 0, &[("files/o.txt", "1"), ("stderr", ""), ("stdout", "hi\n")]),
            answer(1, 0, &[("files/stdout/deep", "2"), ("stderr", "e"), ("stdout", "s")]),
            answer(2, 7, &[]),
            answer(3, 0, &[("stdout", "")]),
        ]
        .map(|output| (output.cell, output))
        .into(),
    );
    for output in accepted.0.values() {
        manager.check(output, &accepted).unwrap();
    }
    let mut folder = Folder::default();
    let merged = manager.merge(&accepted, &mut folder).unwrap();
    assert_eq!(merged.files, ["sweep-results"]);
    assert_eq!(merged.exit, 1);
    assert_eq!(merged.notes, ["1 of 4 runs failed: 2 (a=2,b=x) exited with 7"]);
    let names: Vec<_> = folder.0.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "sweep-results/a=1,b=p%2Fq%20%22r%22/stderr",
            "sweep-results/a=1,b=p%2Fq%20%22r%22/stdout/deep",
            "sweep-results/a=1,b=p%2Fq%20%22r%22/stdout_",
            "sweep-results/a=1,b=x/o.txt",
            "sweep-results/a=1,b=x/stdout",
            "sweep-results/manifest.csv",
            "sweep-results/manifest.json",
        ]
    );
    let csv: Vec<_> = folder.0["sweep-results/manifest.csv"].lines().collect();
    assert_eq!(csv[0], "run,a,b,exit,folder,files");
    assert!(csv[1].starts_with("0,1,x,0,\"a=1,b=x\",o.txt:1:"), "{}", csv[1]);
    assert!(csv[2].starts_with("1,1,\"p/q \"\"r\"\"\",0,"), "{}", csv[2]);
    assert_eq!(csv[3], "2,2,x,7,,");
    let json: serde_json::Value =
        serde_json::from_str(&folder.0["sweep-results/manifest.json"]).unwrap();
    assert_eq!(json["command"][3], "\"");
    assert_eq!(json["parameters"], serde_json::json!(["a", "b"]));
    assert_eq!(json["runs"].as_array().unwrap().len(), 4);
    assert_eq!(json["runs"][1]["values"], serde_json::json!(["1", "p/q \"r\""]));
    assert_eq!(json["runs"][0]["files"][0]["bytes"], 1);
    assert_eq!(json["runs"][2]["exit"], 7);
}

#[test]
fn an_incomplete_job_is_not_merged_but_can_be_looked_at() {
    let manager = simple("true {a}", &[("a", "1..3")]);
    let accepted = Accepted([(CellId(1), answer(1, 2, &[]))].into());
    assert!(manager.merge(&accepted, &mut Folder::default()).is_err());
    let preview = manager.preview(&accepted).unwrap().unwrap();
    let text = String::from_utf8(preview.bytes).unwrap();
    assert!(text.contains("done     1\nfailed   1\nmissing  2"), "{text}");
    assert!(text.contains("a=2"), "{text}");
}

#[test]
fn a_declared_output_that_is_missing_is_told() {
    let mut line = command("true {a}", &[("a", "1..2")]);
    line.outputs = words("{a}.txt log");
    line.output = Some("out".to_owned());
    let manager = open(&line, &Files::default(), hint(1, None));
    let outputs = [
        answer(0, 0, &[("files/1.txt", ""), ("files/log", "")]),
        answer(1, 0, &[("files/2.txt", "")]),
    ];
    assert!(manager.check(&answer(1, 0, &[("files/1.txt", "")]), &Accepted::default()).is_err());
    let accepted = Accepted(outputs.map(|output| (output.cell, output)).into());
    let merged = manager.merge(&accepted, &mut Folder::default()).unwrap();
    assert_eq!(merged.exit, 0);
    assert_eq!(merged.files, ["out"]);
    assert_eq!(merged.notes, ["1 of 2 runs did not write all their outputs: 1 (a=2) without log"]);
}

#[test]
fn a_sample_is_the_run_itself_where_the_submitter_has_the_program() {
    let manager = simple("true {a}", &[("a", "1..3")]);
    let sample = manager.sample(CellId(2), 9).unwrap();
    assert_eq!(sample.step, manager.step(CellId(2)));
    assert_eq!(sample.step.harvest.len(), 1);
    let blobs = Accepted::default();
    let (truth, lie) = (answer(2, 0, &[("stdout", "3")]), answer(2, 0, &[("stdout", "4")]));
    assert!(manager.matches_sample(&sample, &truth, &truth, &blobs).unwrap());
    assert!(!manager.matches_sample(&sample, &truth, &lie, &blobs).unwrap());
    assert!(simple("rare {a}", &[("a", "1")]).sample(CellId(0), 0).is_none());
}

#[test]
fn folders_of_runs_with_long_values_are_numbered() {
    let long = format!("{},{}", "x".repeat(300), "y".repeat(300));
    let manager = simple("true {a}", &[("a", &long)]);
    let accepted =
        Accepted([0, 1].map(|cell| (CellId(cell), answer(cell, 0, &[("stdout", "s")]))).into());
    let mut folder = Folder::default();
    manager.merge(&accepted, &mut folder).unwrap();
    assert!(folder.0.contains_key("sweep-results/n=0/stdout"));
    assert!(folder.0.contains_key("sweep-results/n=1/stdout"));
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,30}", word in "[{}a-c,.0-9]{0,12}") {
        let line = command("true", &[("a", &text)]);
        let line = CommandLine { argv: vec!["true".to_owned(), word], ..line };
        let _ = Sweep.open(&line, &Files::default(), hint(1, None));
    }

    #[test]
    fn parsing_ranges_never_panics(text in "[-+]?[0-9.]{0,20}\\.\\.[-+]?[0-9.]{0,20}(:[-+]?[0-9.]{0,20})?") {
        let line = command("true {a}", &[("a", &text)]);
        if let Ok(spec) = Spec::open(&line, &Files::default(), hint(1, Some(1))) {
            let manager = Manager::new(spec).unwrap();
            let last = CellId(manager.grid.cells() - 1);
            prop_assert_ne!(manager.step(last).args.len(), 0);
        }
    }

    #[test]
    fn each_run_is_in_exactly_one_gridlet_and_recipes_cover_what_is_asked(
        lengths in prop::collection::vec(1u64..12, 1..4),
        slots in 1u32..5,
        wanted in prop::option::of(1u32..200),
    ) {
        let names: Vec<String> = (0..lengths.len()).map(|i| format!("p{i}")).collect();
        let argv = names.iter().fold("true".to_owned(), |argv, name| argv + &format!(" {{{name}}}"));
        let params = names.iter().zip(&lengths).map(|(name, n)| (name.clone(), format!("1..{n}")));
        let line = CommandLine { params: params.collect(), ..command(&argv, &[]) };
        let manager = open(&line, &Files::default(), hint(slots, wanted));
        let mut seen = BTreeSet::new();
        let mut points = BTreeSet::new();
        for (index, gridlet) in manager.gridlets.iter().enumerate() {
            prop_assert_eq!(gridlet.id.index(), index);
            let cells: Vec<CellId> = manager.grid.cells_in(&gridlet.cells).collect();
            prop_assert!(!cells.is_empty() && cells.len() <= limits::GRIDLET_CELLS);
            // As if all but each third had been accepted already.
            let asked: Vec<CellId> = cells.iter().copied().step_by(3).collect();
            let recipe = manager.recipe(gridlet, &asked);
            let covered: Vec<CellId> =
                recipe.steps.iter().flat_map(|s| &s.harvest).map(|h| h.cell).collect();
            prop_assert_eq!(covered, asked);
            for cell in cells {
                prop_assert!(seen.insert(cell));
                prop_assert!(points.insert(manager.step(cell).args));
            }
        }
        let runs: u64 = lengths.iter().product();
        prop_assert_eq!(seen.len() as u64, runs);
        prop_assert_eq!(points.len() as u64, runs);
    }

    #[test]
    fn pieces_are_near_the_target_and_never_too_large(
        lengths in prop::collection::vec(1u64..3000, 1..3),
        target in 1u64..5000,
        most in 1u64..5000,
    ) {
        let pieces = cut::pieces(&lengths, target, most);
        let largest: u64 = lengths.iter().zip(&pieces).map(|(n, p)| n.div_ceil(*p)).product();
        let count: u64 = pieces.iter().product();
        let cells: u64 = lengths.iter().product();
        prop_assert!(largest <= most);
        prop_assert!(count <= cells);
        if cells.div_ceil(target.min(cells)) * 4 <= most {
            prop_assert!(count < 2 * target);
        }
    }

    #[test]
    fn a_decimal_range_is_what_integers_say(first in -500i64..500, step in 1i64..50, n in 0i64..50) {
        let decimal = |v: i64| {
            format!("{}{}.{:02}", if v < 0 { "-" } else { "" }, v.abs() / 100, v.abs() % 100)
        };
        let last = first + step * n;
        let text = format!("{}..{}:{}", decimal(first), decimal(last), decimal(step));
        let expected: Vec<String> = (0..=n).map(|i| decimal(first + step * i)).collect();
        prop_assert_eq!(values(&text), expected);
    }
}
