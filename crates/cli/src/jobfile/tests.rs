use std::path::PathBuf;

use clap::Parser as _;
use expect_test::{Expect, expect};
use outlast_api::types::ServiceValue;

use super::*;
use crate::args::{Cli, Command};

/// What a file and these flags mean.
fn resolved(text: &str, flags: &str) -> Result<JobSpec, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.toml"), text).unwrap();
    let words = format!("outlast submit --file job.toml {flags}");
    let Command::Submit(args) = Cli::try_parse_from(words.split_whitespace()).unwrap().command
    else {
        panic!("expected submit");
    };
    let spec = args.resolve(folder.path(), &Registry::builtin());
    spec.map_err(|failure| {
        assert_eq!(failure.exit, crate::exit::Exit::USAGE);
        failure.message
    })
}

fn refused(text: &str, flags: &str, expected: Expect) {
    let message = resolved(text, flags).unwrap_err();
    // A caret's line has blanks at its end nowhere.
    expected.assert_eq(&format!("{message}\n"));
}

const JOB: &str = "[job]\ncommand = ['true']\n";

#[test]
fn a_whole_file_is_read() {
    let text = r#"
[job]
command = ["sh", "-c", "echo {a}"]
env = { LC_ALL = "C" }
inputs = ["data"]
output = "out"
gridlets = 7
name = "mine"

[[param]]
name = "z"
values = "1..3"
[[param]]
name = "a"
values = "x,y"

[[service]]
class = "verification"
scheme = "overlapped"
replication = 3
max-answers = 9
samples = 0
homogeneous = true
quizzes = 0.25
trusted = ["ab"]
"#;
    let spec = resolved(text, "").unwrap();
    assert_eq!(spec.argv, ["sh", "-c", "echo {a}"]);
    assert!(PathBuf::from(&spec.cwd).is_absolute());
    assert_eq!(spec.gridlets, Some(7));
    let names: Vec<_> = spec.params.iter().map(|param| param.name.as_str()).collect();
    assert_eq!(names, ["z", "a"], "in the order of the file");
    let [service] = spec.services.as_slice() else { panic!("{:?}", spec.services) };
    assert_eq!(service.class, "verification");
    let value = |name: &str| service.args[name].clone();
    assert_eq!(value("scheme"), ServiceValue::Text("overlapped".to_owned()));
    assert_eq!(value("replication"), ServiceValue::Integer(3));
    assert_eq!(value("homogeneous"), ServiceValue::Boolean(true));
    assert_eq!(value("quizzes"), ServiceValue::Number(0.25));
    assert_eq!(value("trusted"), ServiceValue::List(vec!["ab".to_owned()]));
    assert_eq!(service.places["samples"], "job.toml:22:11");
    assert_eq!(service.places["class"], "job.toml:18:9");
}

#[test]
fn flags_add_to_a_service_of_the_file() {
    let text = format!("{JOB}[[service]]\nclass = 'verification'\nreplication = 3\n");
    let spec = resolved(&text, "--samples 2 --verify meshed --replication 3").unwrap();
    let [service] = spec.services.as_slice() else { panic!("{:?}", spec.services) };
    let names: Vec<&str> = service.args.keys().map(String::as_str).collect();
    assert_eq!(names, ["replication", "samples", "scheme"]);
    assert_eq!(service.places["samples"], "--samples");
    assert_eq!(service.places["replication"], "job.toml:5:15");
    let generic = resolved(&text, "--service verification:samples=2").unwrap();
    assert_eq!(generic.services[0].args["samples"], ServiceValue::Integer(2));
}

#[test]
fn a_flag_that_contradicts_the_file_is_refused_naming_both() {
    let text = format!("{JOB}[[service]]\nclass = 'verification'\nreplication = 3\n");
    refused(
        &text,
        "--replication 2",
        expect![[r#"
        --replication: `replication` of service `verification` is said twice: `3` (job.toml:5:15) and `2` (--replication); leave one of them out
    "#]],
    );
    refused(
        &text,
        "--max-error 0.1",
        expect![[r#"
        job file job.toml: line 5, column 15: `replication` of service `verification`: a number of answers, but credibility asks for as many as `max_error` needs
          |
        5 | replication = 3
          |               ^
          = help: leave it out, or say `decision = "majority"` or "m-first" without `max_error`
    "#]],
    );
    refused(
        JOB,
        "--service verification:samples=1 --samples 2",
        expect![[r#"
        --samples: `samples` of service `verification` is said twice: `1` (--service verification:samples=1) and `2` (--samples); leave one of them out
    "#]],
    );
    refused(
        JOB,
        "--service qos:memory=1",
        expect![[r#"
        --service qos:memory=1: unknown service `qos`, expected one of verification; `outlast services` lists those that there are
    "#]],
    );
}

#[test]
fn what_is_wrong_is_shown_with_its_line_and_a_caret() {
    refused(
        "[job]\ncommand = []\ngridlets = 0\n",
        "",
        expect![[r#"
        job file job.toml: line 2, column 11: expected a program and its arguments, found an empty command
          |
        2 | command = []
          |           ^^

        job file job.toml: line 3, column 12: expected at least 1 gridlet, found 0
          |
        3 | gridlets = 0
          |            ^
    "#]],
    );
    refused(
        "[job]\n",
        "",
        expect![[r#"
        job file job.toml: line 1, column 1: missing field `command`
          |
        1 | [job]
          | ^^^^^
    "#]],
    );
    refused(
        "[job\n",
        "",
        expect![[r#"
        job file job.toml: line 1, column 5: unclosed table, expected `]`
          |
        1 | [job
          |     ^
    "#]],
    );
    refused(
        &format!("{JOB}comand = 1\n"),
        "",
        expect![[r#"
        job file job.toml: line 3, column 1: unknown field `comand`, expected one of `command`, `env`, `inputs`, `stdin`, `output`, `collect`, `app`, `options`, `gridlets`, `name`, `vo`
          |
        3 | comand = 1
          | ^^^^^^
    "#]],
    );
    refused(
        &format!("{JOB}gridlets = 'x'\n"),
        "",
        expect![[r#"
        job file job.toml: line 3, column 12: invalid type: string "x", expected u32
          |
        3 | gridlets = 'x'
          |            ^^^
    "#]],
    );
    let services = "[[service]]\nclass = 'replication'\n\n[[service]]\nclass = 'verification'\n\
                    scheme = 'mashed'\nsampels = 1\n\tquizzes = 2\n";
    refused(
        &format!("{JOB}{services}"),
        "",
        expect![[r#"
        job file job.toml: line 4, column 9: unknown service `replication`, expected one of verification
          |
        4 | class = 'replication'
          |         ^^^^^^^^^^^^^
          = help: `outlast services` lists those that there are

        job file job.toml: line 8, column 10: `scheme` of service `verification`: expected one of standard, incremental, overlapped, relaxed, meshed, found the text `mashed`
          |
        8 | scheme = 'mashed'
          |          ^^^^^^^^
          = help: did you mean `meshed`?

        job file job.toml: line 9, column 1: service `verification` has no argument `sampels`, expected one of scheme, replication, decision, max_error, max_answers, samples, sample_rate, quizzes, schedule, percent, comparator, homogeneous, trusted
          |
        9 | sampels = 1
          | ^^^^^^^
          = help: did you mean `samples`?

        job file job.toml: line 10, column 12: `quizzes` of service `verification`: expected a number from 0 to 0.5, found the integer `2`
           |
        10 | 	quizzes = 2
           | 	          ^
    "#]],
    );
    refused(
        &format!("comand = 1\n{JOB}[[service]]\nsamples = 1\n"),
        "",
        expect![[r#"
        job file job.toml: line 1, column 1: unknown field `comand`, expected one of `job`, `param`, `service`
          |
        1 | comand = 1
          | ^^^^^^

        job file job.toml: line 4, column 1: a service has no `class`, expected the name of one
          |
        4 | [[service]]
          | ^^^^^^^^^^^
          = help: `outlast services` lists those that there are
    "#]],
    );
    let twice = "[[service]]\nclass='verification'\n[[service]]\nclass='verification'\n";
    refused(
        &format!("{JOB}{twice}"),
        "",
        expect![[r#"
        job file job.toml: line 6, column 7: services `verification` (job.toml:4:7) and `verification` (job.toml:6:7) both decide on verification
          |
        6 | class='verification'
          |       ^^^^^^^^^^^^^^
          = help: put the arguments of both into one of them, and leave the other out
    "#]],
    );
    let clash = "[[service]]\nclass = 'verification'\nscheme = 'incremental'\nschedule = 'all'\n";
    refused(
        &format!("{JOB}{clash}"),
        "",
        expect![[r#"
        job file job.toml: line 6, column 12: `schedule` of service `verification`: another schedule (`all`) than the one that the scheme `incremental` is
          |
        6 | schedule = 'all'
          |            ^^^^^
          = help: leave `schedule` out, or say `scheme = "standard"`
    "#]],
    );
}

#[test]
fn more_problems_than_one_reads_are_counted() {
    let mut text = JOB.to_owned();
    text.push_str(&"[[service]]\nsamples = 1\n".repeat(SHOWN + 2));
    let message = resolved(&text, "").unwrap_err();
    assert_eq!(message.matches("has no `class`").count(), SHOWN);
    assert!(message.ends_with("… and 2 more"), "{message}");
}
