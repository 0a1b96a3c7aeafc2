use std::sync::Arc;

use outlast_types::{Ad, Attempt, Region};
use outlast_verify::{Ledger, Partitioning, Policy};

use crate::testing::*;
use crate::{Effect, End, Input, JobSpec, Phase, Record, Recovered};

fn alike(gridlets: u64, quorum: u8) -> Arc<JobSpec> {
    let mut spec = spec(gridlets, 1, quorum);
    let job = Arc::make_mut(&mut spec);
    job.policy = Policy { homogeneous: true, max_answers: 5, ..job.policy };
    spec
}

/// A submitter of another kind, without slots, and workers of these kinds, numbered from 2.
fn grid(kinds: &str, spec: Arc<JobSpec>) -> (Driver, Vec<Effect>) {
    let mut driver = Driver::new(0, Ledger::new());
    for (worker, kind) in (2..).zip(kinds.chars()) {
        driver.meet_kind(node(worker), &kind.to_string());
    }
    let effects = driver.input(Input::Submit(spec));
    (driver, effects)
}

fn workers(effects: &[Effect]) -> Vec<u8> {
    leases(effects).into_iter().map(|(node, ..)| node.as_bytes()[0]).collect()
}

fn answer(driver: &mut Driver, worker: u8, attempt: u64, cell: u32, class: u16) -> Vec<Effect> {
    let ticket = driver.answers(node(worker), Attempt(attempt), &[cell]);
    driver.examined(ticket, class, &[cell])
}

fn phase(driver: &Driver) -> Phase {
    driver.peer.job(JOB).unwrap().phase().clone()
}

#[test]
fn replicas_run_on_nodes_of_one_kind() {
    let (mut driver, effects) = grid("abab", alike(1, 2));
    let first = workers(&effects)[0];
    assert_eq!(workers(&effects).len(), 1);
    let effects = answer(&mut driver, first, 1, 0, 0);
    let second = workers(&effects);
    assert_eq!(second.iter().map(|n| n % 2).collect::<Vec<_>>(), [first % 2], "{first} {second:?}");
    // They disagree, and nobody is left who is like them.
    let effects = answer(&mut driver, second[0], 2, 0, 1);
    assert!(workers(&effects).is_empty());
    let third = if first.is_multiple_of(2) { "a" } else { "b" };
    assert!(workers(&driver.meet_kind(node(9), "c")).is_empty());
    assert_eq!(phase(&driver), Phase::Running);
    assert_eq!(workers(&driver.meet_kind(node(8), third)), [8]);
}

#[test]
fn without_the_policy_kinds_make_no_difference() {
    let (mut driver, effects) = grid("ab", spec(1, 1, 2));
    let first = workers(&effects)[0];
    assert_eq!(workers(&answer(&mut driver, first, 1, 0, 0)).len(), 1);
}

#[test]
fn work_begins_on_a_kind_that_can_decide_it() {
    for kinds in ["abb", "bba", "bab"] {
        let (_, effects) = grid(kinds, alike(3, 2));
        let lone = kinds.find('a').unwrap() as u8 + 2;
        assert_eq!(workers(&effects).len(), 2, "{kinds}");
        assert!(!workers(&effects).contains(&lone), "{kinds}");
    }
    // None of them can, so it begins anywhere and waits.
    let (driver, effects) = grid("ab", alike(2, 2));
    assert_eq!(workers(&effects).len(), 2);
    assert_eq!(phase(&driver), Phase::Running);
}

#[test]
fn a_gridlet_that_nobody_answered_may_begin_anew_on_another_kind() {
    let (mut driver, effects) = grid("a", alike(1, 2));
    assert_eq!(workers(&effects), [2]);
    driver.lose(node(2));
    assert_eq!(workers(&driver.meet_kind(node(3), "b")), [3]);
    // An answer binds it.
    answer(&mut driver, 3, 2, 0, 0);
    assert!(workers(&driver.meet_kind(node(4), "a")).is_empty());
    assert_eq!(workers(&driver.meet_kind(node(5), "b")), [5]);
}

#[test]
fn a_restart_keeps_what_a_gridlet_is_bound_to() {
    let (mut driver, effects) = grid("a", alike(1, 2));
    let mut journal = records(&effects);
    journal.extend(records(&answer(&mut driver, 2, 1, 0, 0)));
    assert!(
        journal.contains(&Record::Bound { gridlet: outlast_types::GridletId(0), kind: "a".into() })
    );
    let mut again = Driver::new(0, Ledger::new());
    let job = Recovered { spec: alike(1, 2), records: journal };
    again.peer.resume(again.now, job, &mut Vec::new());
    assert!(workers(&again.meet_kind(node(3), "b")).is_empty());
    assert_eq!(workers(&again.meet_kind(node(4), "a")), [4]);
}

#[test]
fn this_node_does_not_overrule_nodes_of_another_kind() {
    let mut driver = Driver::new(0, Ledger::new());
    for worker in 2..5 {
        driver.meet_kind(node(worker), "a");
    }
    let mut spec = alike(1, 2);
    let policy = &mut Arc::make_mut(&mut spec).policy;
    (policy.samples, policy.max_answers) = (1, 3);
    let effects = driver.input(Input::Submit(spec));
    // It may work from here on, but others have begun.
    driver.input(Input::Offer(Ad { slots: 1, ..Ad::default() }));
    let (worker, attempt, cells) = leases(&effects).remove(0);
    let effects = answer(&mut driver, worker.as_bytes()[0], attempt.0, cells[0], 0);
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Sample { .. })), "{effects:?}");
    // Their answers disagree until the job gives up: this node can't tell who is right.
    let mut class = 1;
    let mut next = leases(&effects);
    while let Some((worker, attempt, _)) = next.pop() {
        next = leases(&answer(&mut driver, worker.as_bytes()[0], attempt.0, cells[0], class));
        class += 1;
    }
    let Phase::Ended(End::Failed(why)) = phase(&driver) else { panic!("{:?}", phase(&driver)) };
    assert!(why.contains("of another kind"), "{why}");
}

#[test]
fn with_layers_all_of_the_job_is_of_one_kind() {
    let mut spec = spec(1, 6, 2);
    let job = Arc::make_mut(&mut spec);
    job.policy = Policy { homogeneous: true, partitioning: Partitioning::Overlapped, ..job.policy };
    let line = |range| Region::new([0..1, range]);
    job.manager = Empty::cut(6, &[0..3, 3..6]);
    let first = vec![line(0..3), line(3..6)];
    job.layers = vec![first, vec![line(0..1), line(1..4), line(4..6)]];
    let (driver, effects) = grid("abab", spec);
    let first: Vec<u8> = workers(&effects).iter().map(|n| n % 2).collect();
    assert!(first.iter().all(|kind| *kind == first[0]), "{effects:?}");
    assert_eq!(phase(&driver), Phase::Running);
}
