//! Applications without code, and one of somebody else's.

use std::fs;
use std::process::Command;

use outlast_api::types::JobState;
use outlast_tests::{Node, SOON, World, binaries, process::Process, until};

/// Numbers, each of them by a run of its own, one after another in a file.
const COUNT: &str = r#"
[app]
name = "count"
summary = "counts"
programs = ["count"]

[[word]]
as = "to"
value = "integer"

[split]
by = "ranges"
from = 1
to = "to"

[gridlet]
run = ["sh", "-c", "echo \"number $1\"", "sh", "{n}"]
stdout = "line"

[merge]
by = "concatenate"
to = "counted.txt"
"#;

fn install(node: &Node<'_>, name: &str, text: &str) {
    let folder = node.data_dir().join("apps");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn a_manifest_is_found_while_the_daemon_runs_and_its_job_outlives_the_file() {
    let world = World::new();
    let mut a = Node::new(&world, "a", 0).up();
    // Before there is a manifest, nobody knows how to count, and one that is wrong stops nothing.
    install(&a, "wrong.toml", "[app]\nname = \"wrong\"\nprogramms = [\"x\"]\n");
    let said = a.outlast(&["submit", "--app", "wrong", "--", "x"]).with_code(2);
    assert!(said.stderr.contains("wrong.toml:"), "{}", said.stderr);
    install(&a, "count.toml", COUNT);
    let list = a.outlast(&["app", "list"]).with_code(0).stdout;
    assert!(list.contains("count.toml") && list.contains("broken: "), "{list}");
    let explained = a.outlast(&["app", "explain", "--gridlets", "4", "--", "count", "12"]);
    let explained = explained.with_code(0).stdout;
    assert!(explained.contains("gridlets     4"), "{explained}");
    let id = a.outlast(&["submit", "--gridlets", "4", "--", "count", "12"]).with_code(0).stdout;
    assert_eq!(a.job().app, "count");
    a.kill();
    fs::remove_dir_all(a.data_dir().join("apps")).unwrap();
    a.start();
    assert_eq!(a.job().app, "count");
    let _b = Node::new(&world, "b", 2).join(&a).up();
    let _c = Node::new(&world, "c", 2).join(&a).up();
    a.outlast(&["wait", id.trim()]).with_code(0);
    let expected: String = (1..=12).map(|n| format!("number {n}\n")).collect();
    assert_eq!(world.read("counted.txt"), expected);
}

#[test]
fn a_picture_is_put_together_from_tiles_that_several_nodes_drew() {
    let world = World::new();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/fractal/fractal");
    fs::copy(program, world.job_folder().join("fractal")).unwrap();
    let a = Node::new(&world, "a", 0).up();
    let _b = Node::new(&world, "b", 2).join(&a).up();
    let _c = Node::new(&world, "c", 2).join(&a).up();
    a.knows(3);
    let command = ["run", "--gridlets", "8", "--", "./fractal", "160", "120", "grid.pgm"];
    a.outlast(&command).with_code(0);
    let job = a.show();
    assert_eq!(job.summary.app, "fractal");
    assert_eq!(job.summary.gridlets_total, 8);
    let alone = Command::new("./fractal")
        .args(["160", "120", "alone.pgm"])
        .env("LC_ALL", "C")
        .current_dir(world.job_folder())
        .status();
    assert!(alone.unwrap().success());
    let picture = |name| fs::read(world.job_folder().join(name)).unwrap();
    assert_eq!(picture("grid.pgm"), picture("alone.pgm"));
}

#[test]
fn a_manifest_that_is_wrong_is_shown_with_the_place() {
    let world = World::new();
    world.write("wrong.toml", &COUNT.replace("{n}", "{m}"));
    let said = world.outlast(&world.path("data"), &["app", "check", "wrong.toml"]).with_code(1);
    assert!(said.stderr.contains("--> wrong.toml:17:"), "{}", said.stderr);
    assert!(said.stderr.contains("unknown variable `m`"), "{}", said.stderr);
    world.write("right.toml", COUNT);
    world.outlast(&world.path("data"), &["app", "check", "right.toml"]).with_code(0);
    assert!(!world.path("data").exists(), "looking leaves nothing behind");
}

#[test]
fn a_program_of_ones_own_brings_its_application_and_is_outlast_otherwise() {
    let world = World::new();
    for (name, text) in [("a.txt", "To be, or not to be\n"), ("b.txt", "Be quick.\nnot now\n")] {
        world.write(name, text);
    }
    let wordcount = |args: &[&str]| {
        let mut command = world.command(binaries::wordcount(), None);
        command.arg("--data-dir").arg(world.path("data")).args(args);
        Process::start(command, &world.path("logs/wordcount"), None).ended(SOON)
    };
    wordcount(&["run", "-o", "counts", "--", "wordcount", "a.txt", "b.txt"]).with_code(0);
    assert_eq!(world.read("counts"), "3 be\n2 not\n1 now\n1 or\n1 quick\n2 to\n");
    let list = wordcount(&["app", "list"]).with_code(0).stdout;
    assert!(list.lines().nth(1).is_some_and(|line| line.starts_with("wordcount")), "{list}");
    let jobs: Vec<outlast_api::types::JobSummary> =
        wordcount(&["ps", "--json"]).with_code(0).json();
    assert_eq!((jobs[0].app.as_str(), jobs[0].state), ("wordcount", JobState::Done));
    until("the node is gone", || (!world.path("data/control.sock").exists()).then_some(()));
}

#[test]
fn a_manifest_says_how_its_jobs_are_treated_unless_somebody_says_otherwise() {
    const SERVICE: &str =
        "\n[[service]]\nclass = \"verification\"\nreplication = 3\nquizzes = 0.25\n";
    let world = World::new();
    let a = Node::new(&world, "a", 0).up();
    let nodes: Vec<_> = ["b", "c", "d"].map(|name| Node::new(&world, name, 2).join(&a).up()).into();
    a.knows(1 + nodes.len());
    install(&a, "count.toml", &format!("{COUNT}{SERVICE}"));
    let treated = |options: &[&str]| {
        a.outlast(&[&["run"], options, &["--", "count", "3"]].concat()).with_code(0);
        let job = a.show();
        let setting = |name: &str| {
            let settings = &job.services[0].settings;
            let found = settings.iter().find(|setting| setting.name == name);
            found.map(|setting| (setting.value.clone(), setting.from.clone()))
        };
        (setting("replication"), setting("quizzes").unwrap().0)
    };
    let (replication, quizzes) = treated(&[]);
    let (value, from) = replication.unwrap();
    assert!(value == "3" && from.ends_with("count.toml:26:15"), "{value} ({from})");
    assert_eq!(quizzes, "0.25");
    let said = |value: &str, from: &str| Some((value.to_owned(), from.to_owned()));
    assert_eq!(treated(&["--replication", "2"]), (said("2", "--replication"), "0.25".to_owned()));
    // What contradicts the manifest stands alone.
    let (replication, quizzes) = treated(&["--max-error", "0.1"]);
    assert_eq!((replication, quizzes.as_str()), (None, "0"));
    // What is wrong whatever a job says is found where manifests are checked.
    world.write("wrong.toml", &format!("{COUNT}{}", SERVICE.replace("quizzes", "quises")));
    let said = world.outlast(&world.path("data"), &["app", "check", "wrong.toml"]).with_code(1);
    assert!(said.stderr.contains("wrong.toml:27:1"), "{}", said.stderr);
    assert!(said.stderr.contains("no argument `quises`"), "{}", said.stderr);
}
