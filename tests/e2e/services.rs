//! Technical services: named in job files and by flags, refused or in force.

use std::fs;

use outlast_api::types::{JobDetail, ServiceSetting};
use outlast_tests::gate::Gate;
use outlast_tests::process::{Process, Said};
use outlast_tests::{Node, SOON, World, binaries, until};

use crate::words;

/// A sweep of eight runs, verified as it says.
const SWEEP: &str = r#"[job]
command  = ["sh", "-c", "echo {i}"]
output   = "out"
gridlets = 4

[[param]]
name   = "i"
values = "1..8"

[[service]]
class       = "verification"
scheme      = "overlapped"
replication = 2
samples     = 0
"#;

#[track_caller]
fn setting(job: &JobDetail, name: &str) -> (String, String) {
    let found = |setting: &&ServiceSetting| setting.name == name;
    let setting = job.services[0].settings.iter().find(found).unwrap();
    (setting.value.clone(), setting.from.clone())
}

#[test]
fn a_job_is_treated_as_its_services_say_and_goes_on_so_after_a_restart() {
    let world = World::new();
    world.write("job.toml", SWEEP);
    let mut a = Node::new(&world, "a", 0).up();
    let _b = Node::new(&world, "b", 2).join(&a).up();
    let _c = Node::new(&world, "c", 2).join(&a).up();
    a.knows(3);
    a.outlast(&["run", "--file", "job.toml", "--max-answers", "8"]).with_code(0);
    let manifest = world.read("out/manifest.csv");
    assert_eq!(manifest.lines().count(), 9, "{manifest}");
    let job = a.show();
    assert_eq!(job.services.len(), 1);
    assert_eq!(job.services[0].class, "verification");
    let said = |value: &str, from: &str| (value.to_owned(), from.to_owned());
    assert_eq!(setting(&job, "scheme"), said("overlapped", "job.toml:12:15"));
    assert_eq!(setting(&job, "max_answers"), said("8", "--max-answers"));
    assert_eq!(setting(&job, "decision"), said("m-first", ""));
    assert_eq!((job.policy.quorum, job.policy.max_answers, job.policy.samples), (2, 8, 0));
    let text = a.outlast(&["show", &job.summary.id]).with_code(0).stdout;
    assert!(text.contains("scheme overlapped (job.toml:12:15)"), "{text}");
    assert!(text.contains("max_answers 8 (--max-answers)"), "{text}");
    a.kill();
    a.start();
    assert_eq!(a.show().services, job.services);
}

#[test]
fn a_job_file_that_is_wrong_is_refused_with_line_and_column_and_needs_no_daemon() {
    let world = World::new();
    let data = world.path("data");
    for (right, wrong, place, what) in [
        ("\"verification\"", "\"verificaton\"", "line 11, column 15", "unknown service"),
        ("samples     = 0", "sampels     = 0", "line 14, column 1", "has no argument `sampels`"),
        ("replication = 2", "replication = \"2\"", "line 13, column 15", "expected an integer"),
        ("scheme      = \"overlapped\"", "max_error   = 0", "line 13, column 15", "`replication`"),
        ("samples     = 0", "comparator  = \"bytes:rel=1\"", "line 14, column 15", "tolerance"),
        ("gridlets = 4", "gridlets = 0", "line 4, column 12", "at least 1 gridlet"),
        ("samples     = 0", "[[service]]\nclass = \"verification\"", "line 15, column 9", "both"),
    ] {
        world.write("job.toml", &SWEEP.replace(right, wrong));
        for command in ["run", "submit"] {
            let said = world.outlast(&data, &[command, "--file", "job.toml"]).with_code(2);
            let told = said.stderr.contains(place) && said.stderr.contains(what);
            assert!(told && said.stderr.contains('^'), "{wrong}: {}", said.stderr);
        }
    }
    world.write("job.toml", SWEEP);
    let said = world.outlast(&data, &["run", "-f", "job.toml", "--samples", "2"]).with_code(2);
    assert!(said.stderr.contains("job.toml:14:15") && said.stderr.contains("--samples"));
    assert!(!data.exists(), "nothing was begun");
}

#[test]
fn what_the_job_or_the_grid_cant_do_is_refused_before_anything_runs() {
    let world = World::new();
    let a = Node::new(&world, "a", 1).up();
    let _b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    world.write("job.toml", &SWEEP.replace("overlapped", "meshed"));
    let refused = |args: &[&str], what: &[&str]| {
        let said = a.outlast(args).with_code(2).stderr;
        assert!(what.iter().all(|what| said.contains(what)), "{args:?}: {said}");
    };
    refused(&["run", "-f", "job.toml"], &["job.toml:12:15", "`scheme`", "overlapped"]);
    refused(&["run", "--replication", "3", "--", "true"], &["--replication", "at most 2"]);
    refused(&["run", "--samples", "1", "--", "true"], &["--samples", "can't be sampled"]);
    let missing = ["run", "--compare", "command:./none.sh", "--", "true"];
    refused(&missing, &["--compare", "no program `./none.sh`"]);
    refused(&["run", "--trusted", "zz", "--", "true"], &["--trusted", "`outlast nodes`"]);
    assert!(a.jobs().is_empty(), "what is refused leaves no job behind");
}

#[test]
fn a_schedule_by_load_says_what_it_chose_while_the_job_runs() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 0).up();
    let b = Node::new(&world, "b", 1).join(&a).up();
    let _c = Node::new(&world, "c", 1).join(&a).up();
    a.knows(3);
    let sweep = gate.sweep(9);
    let submit = [&["submit", "--schedule", "auto"][..], &words(&[], &sweep)].concat();
    let id = a.outlast(&submit).with_code(0).stdout.trim().to_owned();
    gate.runs_at(&b, 1);
    let says = |what: &str| {
        until(&format!("it says: {what}"), || {
            a.outlast(&["show", &id]).with_code(0).stdout.contains(what).then_some(())
        });
    };
    says("one after the other now, as the grid is busy");
    (0..8).for_each(|run| gate.open_for(run));
    says("all at once now, as the grid is idle");
    gate.open();
    a.outlast(&["wait", &id]).with_code(0);
    says("all at once or one after the other");
}

#[test]
fn a_comparator_that_a_job_names_judges_its_answers() {
    let world = World::new();
    world.write("noisy.sh", "echo \"1.00000$$\"\n");
    let a = Node::new(&world, "a", 0).up();
    let _b = Node::new(&world, "b", 1).join(&a).up();
    let _c = Node::new(&world, "c", 1).join(&a).up();
    a.knows(3);
    let run =
        ["run", "--compare", "numbers:rel=0.001", "--input", "noisy.sh", "--", "sh", "noisy.sh"];
    a.outlast(&run).with_code(0);
    let job = a.show();
    assert_eq!(setting(&job, "comparator").0, "numbers:rel=0.001");
    assert!(job.wrong.is_empty(), "{:?}", job.wrong);
}

#[test]
fn a_program_of_ones_own_brings_a_service_of_its_own() {
    let world = World::new();
    let wordcount = |args: &[&str]| -> Said {
        let mut command = world.command(binaries::wordcount(), None);
        command.arg("--data-dir").arg(world.path("data")).args(args);
        Process::start(command, &world.path("logs/wordcount"), None).ended(SOON)
    };
    let listed = wordcount(&["services"]).with_code(0).stdout;
    assert!(listed.contains("threads: how many threads"), "{listed}");
    let script = "echo $OMP_NUM_THREADS > threads";
    let run =
        ["run", "--replication", "1", "--service", "threads:count=3", "--", "sh", "-c", script];
    wordcount(&run).with_code(0);
    assert_eq!(fs::read_to_string(world.job_folder().join("threads")).unwrap(), "3\n");
    let said = wordcount(&["run", "--service", "threads:count=0", "--", "true"]).with_code(2);
    assert!(said.stderr.contains("`count` of service `threads`"), "{}", said.stderr);
    // Nobody else knows it.
    let said = world.outlast(&world.path("other"), &run).with_code(2);
    assert!(said.stderr.contains("unknown service `threads`"), "{}", said.stderr);
}
