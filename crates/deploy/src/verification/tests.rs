use expect_test::{Expect, expect};
use outlast_types::{Axis, CellGrid};

use super::*;
use crate::settings::Facts;
use crate::{Block, Origin, Registry, Value};

/// A job of a picture, of 8 × 6 cells in gridlets of 4 × 2, or of a list of 8.
fn facts(dimensions: usize) -> Facts {
    let axes = [Axis::new(8, 1), Axis::new(6, 1)];
    let grid = CellGrid::new(axes[..dimensions].to_vec()).unwrap();
    let gridlets = grid.tiles(&[4, 2][..dimensions]).into_iter().collect();
    Facts {
        app: "povray".to_owned(),
        grid,
        gridlets,
        samples: Some(1),
        nodes: Some(4),
        known: Vec::new(),
    }
}

fn block(said: &str) -> Block {
    let mut block = Block::new("verification", Origin::said("job.toml:1:1"));
    for word in said.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap();
        block.push(name, Value::Word(value.to_owned()), Origin::default());
    }
    block
}

fn applied(said: &str, facts: Facts) -> Result<NodeSettings, String> {
    let said = Registry::builtin().check(&[block(said)]);
    let services = said.map_err(|errors| errors[0].to_string())?;
    let mut node = NodeSettings::new(facts);
    services.apply(&mut node).map_err(|error| error.to_string())?;
    Ok(node)
}

fn policy(said: &str) -> Policy {
    applied(said, facts(2)).unwrap().verification.policy
}

fn refused(said: &str, facts: Facts, expected: Expect) {
    expected.assert_eq(&applied(said, facts).unwrap_err());
}

#[test]
fn nothing_said_is_the_default_policy() {
    assert_eq!(policy(""), Policy::default());
    let none = Facts { samples: None, ..facts(2) };
    assert_eq!(applied("", none).unwrap().verification.policy.samples, 0);
    // Nobody asked for two nodes: this one does what is missing.
    let alone = Facts { nodes: Some(1), ..facts(2) };
    assert_eq!(applied("", alone).unwrap().verification.policy, Policy::default());
}

#[test]
fn schemes_are_partitionings_and_schedules() {
    let of = |said: &str| {
        let policy = policy(said);
        (policy.partitioning, policy.schedule)
    };
    assert_eq!(of("scheme=standard"), (Partitioning::Standard, Schedule::AllAtOnce));
    assert_eq!(of("scheme=standard schedule=auto"), (Partitioning::Standard, Schedule::Auto));
    assert_eq!(of("scheme=incremental"), (Partitioning::Standard, Schedule::Incremental));
    assert_eq!(of("scheme=overlapped"), (Partitioning::Overlapped, Schedule::Incremental));
    assert_eq!(of("scheme=meshed schedule=all"), (Partitioning::Meshed, Schedule::AllAtOnce));
    let relaxed = |percent| (Partitioning::Relaxed { percent }, Schedule::Incremental);
    assert_eq!(of("scheme=relaxed"), relaxed(50));
    assert_eq!(of("scheme=relaxed percent=20"), relaxed(20));
}

#[test]
fn decisions_take_what_they_need() {
    assert_eq!(policy("replication=3").decision, Decision::First { matching: 3 });
    assert_eq!(policy("replication=3").max_answers, 9);
    let majority = policy("decision=majority replication=3");
    assert_eq!(majority.decision, Decision::Majority { replication: 3 });
    let credible = policy("max_error=0.02");
    assert_eq!(credible, Policy::with_max_error(0.02));
    assert_eq!(policy("decision=credibility"), Policy::with_max_error(MAX_ERROR));
    let all = policy("samples=2 sample_rate=0.25 quizzes=0.1 homogeneous=true max_answers=30");
    assert_eq!((all.samples, all.sample_rate, all.quizzes), (2, 0.25, 0.1));
    assert!(all.homogeneous);
    assert_eq!(all.max_answers, 30);
}

#[test]
fn contradictions_are_refused_with_what_would_work() {
    for (said, expected) in [
        (
            "scheme=incremental schedule=all",
            expect![[
                r#"`schedule` of service `verification`: another schedule (`all`) than the one that the scheme `incremental` is; leave `schedule` out, or say `scheme = "standard"`"#
            ]],
        ),
        (
            "scheme=meshed percent=20",
            expect![[
                r#"`percent` of service `verification`: how much of the work is done twice, which only the scheme `relaxed` asks; leave it out, or say `scheme = "relaxed"`"#
            ]],
        ),
        (
            "decision=majority max_error=0.1",
            expect![[
                r#"`max_error` of service `verification`: it belongs to decisions by credibility, found `decision = majority`; leave it out, or say `decision = "credibility"`"#
            ]],
        ),
        (
            "max_error=0.1 replication=2",
            expect![[
                r#"`replication` of service `verification`: a number of answers, but credibility asks for as many as `max_error` needs; leave it out, or say `decision = "majority"` or "m-first" without `max_error`"#
            ]],
        ),
        (
            "samples=0 sample_rate=0.5",
            expect![[
                r#"`sample_rate` of service `verification`: a share of gridlets that are sampled, but 0 samples of each; leave it out, or say `samples = 1`"#
            ]],
        ),
        (
            "max_error=0 samples=0",
            expect![
                "`max_error` of service `verification`: no error at all (0), which only checks by this node can promise, but no samples; expected an error above 0, such as 0.001, or at least 1 sample"
            ],
        ),
        (
            "replication=4 max_answers=3",
            expect![
                "`max_answers` of service `verification`: at most 3 answers for a cell, expected at least the quorum of 4"
            ],
        ),
        (
            "scheme=overlapped replication=1",
            expect![
                "`scheme` of service `verification`: a partitioning of replicas, but one answer is enough for a decision; expected a replication of at least 2, or the partitioning `standard`"
            ],
        ),
        (
            "comparator=bytes:rel=0.1",
            expect![[
                r#"`comparator` of service `verification`: `bytes` with "rel=0.1": answers are the same byte by byte or they aren't, there is no tolerance; numbers:abs=…,rel=…, image:channel=…, image:psnr=… or frames:psnr=… have one"#
            ]],
        ),
        (
            "comparator=colours",
            expect![[
                r#"`comparator` of service `verification`: unknown comparator "colours", expected bytes, numbers, image, frames or command"#
            ]],
        ),
    ] {
        refused(said, facts(2), expected);
    }
}

#[test]
fn what_this_job_or_grid_cant_do_is_refused_with_what_would_work() {
    refused(
        "scheme=meshed",
        facts(1),
        expect![
            "`scheme` of service `verification`: a meshed partitioning of work that can be cut along 1 axis only, expected 2 or more; `overlapped` works along one"
        ],
    );
    refused(
        "replication=5",
        facts(1),
        expect![
            "`replication` of service `verification`: answers from 5 different nodes, but only 4 can give one; expected at most 4 (or more nodes in the grid)"
        ],
    );
    refused(
        "scheme=overlapped replication=5",
        Facts { nodes: None, ..facts(1) },
        expect![
            "`scheme` of service `verification`: 5 overlapped replicas of gridlets of 4 cells, expected at most 4 replicas, or larger gridlets: each replica begins at another cell"
        ],
    );
    let single = || Facts { gridlets: facts(1).grid.tiles(&[1]).into_iter().collect(), ..facts(1) };
    refused(
        "scheme=overlapped",
        single(),
        expect![
            "`scheme` of service `verification`: 2 overlapped replicas of gridlets of 1 cells, expected at most 1 replicas, or larger gridlets: each replica begins at another cell"
        ],
    );
    let unsampled = || Facts { samples: None, app: "command".to_owned(), ..facts(1) };
    refused(
        "samples=1",
        unsampled(),
        expect![
            "`samples` of service `verification`: a job of `command` can't be sampled, as nothing smaller than the whole can be computed here; leave it out, or say 0; replication is the check then"
        ],
    );
    refused(
        "max_error=0",
        unsampled(),
        expect![
            "`max_error` of service `verification`: no error at all (0), which only checks by this node can promise, but no samples; expected an error above 0, such as 0.001, or at least 1 sample"
        ],
    );
    assert!(applied("samples=0", unsampled()).is_ok());
}

#[test]
fn trusted_nodes_are_named_by_keys_and_never_by_names() {
    let node = |byte: u8| NodeId::from_bytes([byte; 32]);
    let known = || Facts { known: vec![node(0xab), node(0xac), node(0x12)], ..facts(1) };
    let trusted = |said: &str| applied(said, known()).unwrap().verification.trusted;
    assert_eq!(trusted("trusted=AB+12+12"), [node(0x12), node(0xab)]);
    assert_eq!(trusted(&format!("trusted={}", node(7))), [node(7)]);
    refused(
        "trusted=a",
        known(),
        expect![
            "`trusted` of service `verification`: `a` may mean any of 2 nodes; say more of the key"
        ],
    );
    refused(
        "trusted=ee",
        known(),
        expect![
            "`trusted` of service `verification`: no node is known whose key begins with `ee`; say a whole key, or one that `outlast nodes` lists"
        ],
    );
    refused(
        "trusted=worker",
        known(),
        expect![
            "`trusted` of service `verification`: expected a node's key or the beginning of one, found `worker`; `outlast nodes` lists keys"
        ],
    );
}

#[test]
fn the_table_of_arguments_tells_the_defaults_that_hold() {
    let services = Registry::builtin().check(&[]).unwrap();
    let mut node = NodeSettings::new(facts(2));
    services.apply(&mut node).unwrap();
    for setting in &services.in_force(&node)[0].settings {
        let argument = DESCRIPTION.arguments.iter().find(|argument| argument.name == setting.name);
        let default = argument.unwrap_or_else(|| panic!("{} is no argument", setting.name)).default;
        let expected = match setting.name.as_str() {
            // As it is cut; when replicas go out is said by the schedule.
            "scheme" => "standard",
            "max_answers" => "7",
            _ => default,
        };
        let said = |word: &str| expected == word || expected.starts_with(&format!("{word},"));
        assert!(
            said(&setting.value) || expected.starts_with(&format!("{};", setting.value)),
            "{setting:?}"
        );
    }
}

#[test]
fn what_is_in_force_is_shown_by_the_names_of_arguments() {
    let said = "scheme=relaxed max_error=0.02 comparator=image:psnr=40 trusted=ab";
    let services = Registry::builtin().check(&[block(said)]).unwrap();
    let known = vec![NodeId::from_bytes([0xab; 32])];
    let mut node = NodeSettings::new(Facts { known, ..facts(2) });
    services.apply(&mut node).unwrap();
    let force = services.in_force(&node);
    let text: String = force[0]
        .settings
        .iter()
        .map(|s| format!("{} = {} ({})\n", s.name, s.value, s.from))
        .collect();
    expect![[r#"
        scheme = relaxed (the request)
        percent = 50 ()
        schedule = incremental ()
        decision = credibility ()
        max_error = 0.02 (the request)
        max_answers = 15 ()
        samples = 1 ()
        sample_rate = 0.02 ()
        quizzes = 0 ()
        comparator = image:psnr=40 (the request)
        homogeneous = false ()
        trusted = abababababababababababababababababababababababababababababababab (the request)
    "#]]
    .assert_eq(&text);
}
