use super::*;
use crate::Collect;
use crate::apps::testing::{Accepted, Files, Folder, answer, words};

const HINT: SplitHint = SplitHint { slots: 4, gridlets: None };

fn command(argv: &str) -> CommandLine {
    CommandLine { argv: words(argv), ..CommandLine::default() }
}

fn open(command: &CommandLine, files: &Files) -> Arc<dyn ApplicationManager> {
    Command.open(command, files, HINT).unwrap()
}

fn refusal(command: &CommandLine) -> String {
    let files = Files::of(&[("in.txt", "")]);
    Command.open(command, &files, HINT).err().expect("a refusal").to_string()
}

fn names(manager: &dyn ApplicationManager) -> Vec<&str> {
    manager.inputs().iter().map(|input| input.name.as_str()).collect()
}

fn step(manager: &dyn ApplicationManager) -> Step {
    let mut recipe = manager.recipe(&manager.gridlets()[0], &[CELL]);
    assert_eq!(recipe.inputs, InputMode::Copy);
    assert_eq!(recipe.steps.len(), 1);
    recipe.steps.remove(0)
}

#[test]
fn files_that_arguments_name_are_staged_and_others_are_not() {
    let files = Files::of(&[
        ("prog", ""),
        ("in.txt", ""),
        ("data/a", ""),
        ("data/b", ""),
        ("other", ""),
        ("/home/me/big", ""),
        ("/usr/share/dict", ""),
        ("../up", ""),
    ]);
    let mut line =
        command("./prog --from=./in.txt data/a nothing /home/me/big /usr/share/dict ../up");
    line.inputs = vec!["data".to_owned()];
    let manager = open(&line, &files);
    assert_eq!(names(&*manager), ["data/a", "data/b", "in.txt", "prog"]);
    assert_eq!(manager.program(), None);
    assert_eq!(step(&*manager).program, Program::Staged("prog".to_owned()));
    let notes = manager.notes();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("/home/me/big") && notes[1].contains("../up"), "{notes:?}");
}

#[test]
fn standard_input_from_outside_is_staged_under_a_name_of_ours() {
    let files = Files::of(&[("/tmp/x", ""), ("in", "")]);
    let mut line = command("sort");
    line.stdin = Some("/tmp/x".to_owned());
    let manager = open(&line, &files);
    assert_eq!(names(&*manager), [".outlast-stdin"]);
    assert_eq!(step(&*manager).stdin.as_deref(), Some(".outlast-stdin"));
    line.stdin = Some("./in".to_owned());
    assert_eq!(step(&*open(&line, &files)).stdin.as_deref(), Some("in"));
}

#[test]
fn declared_outputs_are_collected_and_otherwise_all_that_is_created() {
    let files = Files::default();
    let mut line = command("true");
    let created = Collect::Created { prefix: "files/".to_owned() };
    assert!(step(&*open(&line, &files)).harvest[0].collect.contains(&created));
    line.outputs = words("out/a b");
    let step = step(&*open(&line, &files));
    assert!(!step.harvest[0].collect.contains(&created));
    assert_eq!(step.harvest[0].collect.len(), 4);
    assert_eq!(step.folders, ["out"]);
}

#[test]
fn a_command_that_cannot_run_is_refused_with_a_reason() {
    let with = |change: &dyn Fn(&mut CommandLine)| {
        let mut line = command("true");
        change(&mut line);
        refusal(&line)
    };
    assert!(refusal(&command("")).contains("expected a program"));
    assert!(refusal(&command("./none")).contains("./none"));
    assert!(refusal(&command("../prog")).contains("outside"));
    assert!(with(&|l| l.outputs = words("../x")).contains("../x"));
    assert!(with(&|l| l.outputs = words("dir/")).contains("dir/"));
    assert!(with(&|l| l.inputs = words("/etc/passwd")).contains("outside"));
    assert!(with(&|l| l.inputs = words("gone")).contains("gone"));
    assert!(with(&|l| l.stdin = Some("gone".to_owned())).contains("gone"));
    assert!(with(&|l| l.argv.push("a\0b".to_owned())).contains("zero byte"));
    assert!(with(&|l| l.env = vec![("A=".to_owned(), String::new())]).contains("A="));
    assert!(with(&|l| l.options = [("x".to_owned(), String::new())].into()).contains("option `x`"));
    let parameter = vec![("a".to_owned(), "1".to_owned())];
    assert!(with(&|l| l.params = parameter.clone()).contains("sweep"));
}

#[test]
fn outputs_go_where_a_local_run_puts_them_and_streams_are_not_written() {
    let files = Files::of(&[("in.txt", "old"), (".conf", "old")]);
    let manager = open(&command("tool in.txt .conf"), &files);
    let given = [
        ("files/.bashrc", "evil"),
        ("files/.conf", "changed"),
        ("files/in.txt", "changed"),
        ("files/sub/new", "x"),
        ("stderr", "e"),
        ("stdout", "o"),
    ];
    let given = answer(0, 3, &given);
    manager.check(&given, &Accepted::default()).unwrap();
    let mut folder = Folder::default();
    let merged = manager.merge(&Accepted([(CELL, given)].into()), &mut folder).unwrap();
    assert_eq!(merged.exit, 3);
    assert_eq!(merged.files, [".conf", "in.txt", "sub/new"]);
    assert_eq!(folder.0.keys().collect::<Vec<_>>(), [".conf", "in.txt", "sub/new"]);
    assert!(merged.notes[0].contains(".bashrc"), "{:?}", merged.notes);
}

#[test]
fn an_output_folder_holds_them_and_a_missing_output_is_told() {
    let mut line = command("tool");
    line.outputs = words("a b");
    line.output = Some("results".to_owned());
    let manager = open(&line, &Files::default());
    let results = Accepted([(CELL, answer(0, 0, &[("files/a", "1")]))].into());
    let mut folder = Folder::default();
    let merged = manager.merge(&results, &mut folder).unwrap();
    assert_eq!(merged.files, ["results/a"]);
    assert_eq!(merged.notes, ["the program did not write b"]);
    assert!(manager.merge(&Accepted::default(), &mut folder).is_err());
}

#[test]
fn a_restored_manager_is_the_same() {
    let files = Files::of(&[("in.txt", "")]);
    let mut line = command("tool in.txt");
    line.outputs = words("o");
    let manager = open(&line, &files);
    let again = Command.restore(&manager.state()).unwrap();
    assert_eq!(again.state(), manager.state());
    assert_eq!(step(&*again), step(&*manager));
    assert_eq!(again.inputs(), manager.inputs());
    assert!(Command.restore(b"nonsense").is_err());
}
