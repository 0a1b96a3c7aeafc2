use expect_test::{Expect, expect};
use outlast_gridlet::apps::manifest::Diagnostic;
use outlast_types::{Axis, CellGrid, Region};
use toml::de::DeTable;

use super::*;
use crate::settings::{Facts, NodeSettings};
use crate::{Kind, read};

/// A service that says what it was given, and clashes with `verification`.
struct Recorder;

const RECORDER: Description = Description {
    class: "audit",
    aspects: &["log", "verification"],
    about: "writes down",
    arguments: &[
        Argument { name: "where_to", kind: Kind::Text, default: "nowhere", about: "a file" },
        Argument {
            name: "level",
            kind: Kind::Integer { least: 0, most: 3 },
            default: "1",
            about: "how much",
        },
    ],
    always: false,
};

impl TechnicalService for Recorder {
    fn init(&mut self, args: &Args) -> Result<(), Error> {
        match args.text("where_to") {
            Some("/") => Err(args.refuse("where_to", "expected a file, found `/`")),
            _ => Ok(()),
        }
    }

    fn apply(&self, node: &mut NodeSettings) -> Result<(), Error> {
        node.env.insert("AUDIT".to_owned(), "on".to_owned());
        Ok(())
    }
}

/// What `audit` and `verification` mean together: acts in the place of both.
#[derive(Default)]
struct Both(Option<i64>);

impl TechnicalService for Both {
    fn init(&mut self, args: &Args) -> Result<(), Error> {
        self.0 = args.integer("verification.replication");
        assert_eq!(args.integer("audit.level"), Some(2));
        Ok(())
    }

    fn apply(&self, node: &mut NodeSettings) -> Result<(), Error> {
        node.env.insert("BOTH".to_owned(), format!("{:?}", self.0));
        Ok(())
    }
}

fn registry() -> Registry {
    let mut registry = Registry::builtin();
    registry.register(RECORDER, || Box::new(Recorder)).unwrap();
    registry
}

fn blocks(text: &str) -> Result<Vec<Block>, Vec<Error>> {
    read("job.toml", text, DeTable::parse(text).unwrap().get_ref())
}

fn facts() -> Facts {
    let grid = CellGrid::new(vec![Axis::new(8, 1)]).unwrap();
    let gridlets: Vec<Region> = grid.tiles(&[4]).into_iter().collect();
    Facts {
        app: "sweep".to_owned(),
        grid,
        gridlets,
        samples: Some(1),
        nodes: Some(3),
        known: Vec::new(),
    }
}

/// What is said of a job file, with the bytes that it is about.
fn refused(text: &str, expected: Expect) {
    let checked = blocks(text).and_then(|blocks| registry().check(&blocks).map(drop));
    let errors = checked.unwrap_err();
    let lines = errors.iter().map(|error| {
        let place = error.origin.span.as_ref().map(|span| {
            let place = Diagnostic::at(text, span, String::new(), None);
            assert!(error.origin.text.ends_with(&format!(":{}:{}", place.line, place.column)));
            format!(" [{}]", &text[span.clone()])
        });
        format!("{error}{}\n", place.unwrap_or_default())
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn an_unknown_class_is_refused_with_its_place_and_what_there_is() {
    refused(
        "\n[[service]]\nclass = 'verificaton'\n",
        expect![[r#"
            job.toml:3:9: unknown service `verificaton`, expected one of verification, audit; did you mean `verification`? ['verificaton']
        "#]],
    );
    refused(
        "[[service]]\nclass = 'checkpoint'\nengine = 'result'\n",
        expect![[r#"
            job.toml:2:9: unknown service `checkpoint`, expected one of verification, audit; `outlast services` lists those that there are ['checkpoint']
        "#]],
    );
}

#[test]
fn an_unknown_argument_is_refused_with_what_was_meant() {
    refused(
        "[[service]]\nclass = 'audit'\nlevle = 2\ncolour = 'red'\n",
        expect![[r#"
            job.toml:3:1: service `audit` has no argument `levle`, expected one of where_to, level; did you mean `level`? [levle]
            job.toml:4:1: service `audit` has no argument `colour`, expected one of where_to, level; `outlast services audit` tells what each of them means [colour]
        "#]],
    );
}

#[test]
fn an_ill_typed_argument_is_refused_with_what_it_takes() {
    let text = "[[service]]\nclass = 'audit'\nlevel = 'high'\nwhere-to = 3\n[[service]]\n\
                class = 'verification'\nreplication = 0\nscheme = 'mashed'\nmax_error = true\n\
                homogeneous = 'yes'\ntrusted = [1]\nsample_rate = nan\n";
    refused(
        text,
        expect![[r#"
            job.toml:3:9: `level` of service `audit`: expected an integer from 0 to 3, found the text `high` ['high']
            job.toml:4:12: `where_to` of service `audit`: expected a text, found the integer `3` [3]
            job.toml:7:15: `replication` of service `verification`: expected an integer from 1 to 255, found the integer `0` [0]
            job.toml:8:10: `scheme` of service `verification`: expected one of standard, incremental, overlapped, relaxed, meshed, found the text `mashed`; did you mean `meshed`? ['mashed']
            job.toml:9:13: `max_error` of service `verification`: expected a number from 0 to 0.5, found `true` [true]
            job.toml:10:15: `homogeneous` of service `verification`: expected true or false, found the text `yes` ['yes']
            job.toml:11:11: `trusted` of service `verification`: expected a text or a list of texts, found a list of other things than texts [[1]]
            job.toml:12:15: `sample_rate` of service `verification`: expected a number from 0 to 1, found the number `NaN` [nan]
        "#]],
    );
}

#[test]
fn a_table_without_a_class_is_refused() {
    refused(
        "[[service]]\nsamples = 1\n[[service]]\nclass = 4\n",
        expect![[r#"
            job.toml:1:1: a service has no `class`, expected the name of one; `outlast services` lists those that there are [[[service]]]
            job.toml:4:9: a service has no `class`, expected the name of one; `outlast services` lists those that there are [4]
        "#]],
    );
    refused(
        "[service]\nclass = 'audit'\n",
        expect![[r#"
            job.toml:1:1: `service`: expected tables, each beginning with [[service]] [[service]]
        "#]],
    );
}

#[test]
fn two_services_on_one_aspect_are_refused_together() {
    refused(
        "[[service]]\nclass = 'verification'\n[[service]]\nclass = 'audit'\n",
        expect![[r#"
            job.toml:4:9: services `verification` (job.toml:2:9) and `audit` (job.toml:4:9) both decide on verification; leave one of them out ['audit']
        "#]],
    );
    refused(
        "[[service]]\nclass = 'verification'\n[[service]]\nclass = 'verification'\n",
        expect![[r#"
            job.toml:4:9: services `verification` (job.toml:2:9) and `verification` (job.toml:4:9) both decide on verification; put the arguments of both into one of them, and leave the other out ['verification']
        "#]],
    );
}

#[test]
fn an_argument_that_is_said_twice_is_refused_unless_it_is_the_same() {
    let below = || blocks("[[service]]\nclass = 'audit'\nlevel = 2\n").unwrap();
    let above = |level: &str| {
        let mut block = Block::new("audit", Origin::said("--level"));
        block.push("level", Value::Word(level.to_owned()), Origin::said("--level"));
        vec![block]
    };
    let merged = registry().merge(below(), above("2")).unwrap();
    assert_eq!(merged, below());
    let errors = registry().merge(below(), above("3")).unwrap_err();
    expect![[r#"--level: `level` of service `audit` is said twice: `2` (job.toml:3:9) and `3` (--level); leave one of them out"#]]
        .assert_eq(&errors[0].to_string());
    refused(
        "[[service]]\nclass = 'verification'\nmax-answers = 5\nmax_answers = 5\n",
        expect![[r#"
            job.toml:4:15: `max_answers` of service `verification` is said twice: `5` (job.toml:3:15) and `5` (job.toml:4:15); leave one of them out [5]
        "#]],
    );
}

#[test]
fn a_service_says_itself_what_it_cant_do() {
    refused(
        "[[service]]\nclass = 'audit'\nwhere_to = '/'\n",
        expect![[r#"
            job.toml:3:12: `where_to` of service `audit`: expected a file, found `/` ['/']
        "#]],
    );
}

#[test]
fn a_combination_that_is_registered_acts_in_the_place_of_both() {
    let mut registry = registry();
    registry.combine("verification", "audit", || Box::<Both>::default()).unwrap();
    let text = "[[service]]\nclass = 'audit'\nlevel = 2\n\
                [[service]]\nclass = 'verification'\nreplication = 3\n";
    let services = registry.check(&blocks(text).unwrap()).unwrap();
    assert_eq!(services.classes(), ["audit+verification"]);
    let mut node = NodeSettings::new(facts());
    services.apply(&mut node).unwrap();
    assert_eq!(node.env["BOTH"], "Some(3)");
    assert!(!node.env.contains_key("AUDIT"));
    // A third one on the same aspect was not part of the deal.
    let text = format!("{text}[[service]]\nclass = 'audit'\n");
    assert_eq!(registry.check(&blocks(&text).unwrap()).unwrap_err().len(), 1);
}

#[test]
fn what_always_acts_steps_back_for_a_service_of_its_aspect() {
    let classes = |text: &str| {
        let services = registry().check(&blocks(text).unwrap()).unwrap();
        services.classes().iter().map(|class| (*class).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(classes(""), ["verification"]);
    assert_eq!(classes("[[service]]\nclass = 'audit'\n"), ["audit"]);
}

#[test]
fn what_is_in_force_says_where_it_comes_from() {
    let text = "[[service]]\nclass = 'audit'\nlevel = 2\n";
    let services = registry().check(&blocks(text).unwrap()).unwrap();
    let mut node = NodeSettings::new(facts());
    services.apply(&mut node).unwrap();
    let force = services.in_force(&node);
    let rows: Vec<_> = force[0]
        .settings
        .iter()
        .map(|s| (s.name.as_str(), s.value.as_str(), s.from.as_str()))
        .collect();
    assert_eq!(rows, [("where_to", "nowhere", ""), ("level", "2", "job.toml:3:9")]);
}

#[test]
fn words_of_a_command_line_become_what_the_argument_takes() {
    let block =
        Block::parse("verification:replication=3,homogeneous=true,trusted=ab+cd", "--service");
    let blocks = Registry::builtin().settle(vec![block.unwrap()]);
    // They are for whoever knows no arguments, too.
    assert_eq!(blocks[0].args[0].value, Value::Integer(3));
    let services = Registry::builtin().check(&blocks).unwrap();
    let args = &services.0[0].args;
    assert_eq!(args.integer("replication"), Some(3));
    assert_eq!(args.boolean("homogeneous"), Some(true));
    assert_eq!(args.texts("trusted").unwrap(), ["ab", "cd"]);
    let wrong = Block::parse("verification:replication", "--service").unwrap_err();
    expect!["--service verification:replication: expected CLASS:NAME=VALUE,…, found `replication`"]
        .assert_eq(&wrong.to_string());
    assert!(Block::parse(":a=b", "--service").is_err());
    let ill = Block::parse("verification:replication=many", "--service").unwrap();
    let errors = Registry::builtin().check(&[ill]).unwrap_err();
    expect!["--service verification:replication=many: `replication` of service `verification`: expected an integer from 1 to 255, found the text `many`"]
        .assert_eq(&errors[0].to_string());
}

#[test]
fn a_description_that_no_job_file_could_name_is_no_service() {
    let mut registry = Registry::builtin();
    let make = || Box::new(Recorder) as Box<dyn TechnicalService>;
    let taken = Description { class: "verification", ..RECORDER };
    assert_eq!(registry.register(taken, make), Err(RegisterError::Taken("verification")));
    let named = |class| Description { class, ..RECORDER };
    for class in ["", "Two Words", "class"] {
        assert!(registry.register(named(class), make).is_err(), "{class}");
    }
    let nothing = Description { aspects: &[], ..RECORDER };
    assert!(registry.register(nothing, make).is_err());
    const TWICE: &[Argument] = &[RECORDER.arguments[0], RECORDER.arguments[0]];
    let twice = Description { arguments: TWICE, ..RECORDER };
    assert!(registry.register(twice, make).is_err());
    assert_eq!(registry.register(RECORDER, make), Ok(()));
    assert_eq!(registry.combine("audit", "x", make), Err(RegisterError::Unknown("x")));
}

#[test]
fn more_than_a_job_could_mean_is_refused_before_it_is_looked_at() {
    let block = Block::new("audit", Origin::default());
    let errors = registry().check(&vec![block.clone(); limits::BLOCKS + 1]).unwrap_err();
    assert_eq!(errors.len(), 1);
    let mut many = block.clone();
    for number in 0..=limits::ARGUMENTS {
        many.push(format!("a{number}"), Value::Integer(1), Origin::default());
    }
    let errors = registry().check(&[many]).unwrap_err();
    expect!["a service with 65 arguments, expected at most 64"].assert_eq(&errors[0].to_string());
    let mut long = block;
    long.push("where_to", Value::Text("x".repeat(limits::ARGUMENT_BYTES)), Origin::default());
    assert!(registry().check(&[long]).is_err());
}
