use std::time::Duration;

use outlast_gridlet::{Needs, Program, Recipe};
use outlast_types::{Attempt, GridletId, Hash, NodeId};
use outlast_verify::Ledger;

use super::MAX_LEASES;
use crate::testing::*;
use crate::wire::{Failure, ManifestRef, Refusal, Staging, ToCoordinator, ToWorker};
use crate::{
    Effect, Footprint, Input, JobKey, Quotas, RunEvent, RunFailure, RunId, Settings, Standing,
};

const SUBMITTER: NodeId = NodeId::from_bytes([9; 32]);
const KEY: JobKey = JobKey { submitter: SUBMITTER, job: JOB };

fn lease(attempt: u64, recipe: Recipe) -> ToWorker {
    let manifest = ManifestRef { hash: Hash::of(b""), length: 0 };
    let (attempt, gridlet) = (Attempt(attempt), GridletId(0));
    ToWorker::Lease { attempt, gridlet, vo: None, manifest, recipe }
}

fn run(attempt: u64, step: u32) -> RunId {
    RunId { key: KEY, attempt: Attempt(attempt), step }
}

/// A worker of one slot with a lease of two cells, whose first step runs.
fn working() -> Driver {
    let mut driver = Driver::new(1, Ledger::new());
    let effects = driver.submitter_says(SUBMITTER, lease(1, recipe(&[0, 1])));
    assert!(effects.iter().any(|e| matches!(e, Effect::Stage { .. })), "{effects:?}");
    let effects = driver.input(Input::Staged { key: KEY, attempt: Attempt(1), result: Ok(()) });
    assert!(effects.iter().any(|e| matches!(e, Effect::Run(_))), "{effects:?}");
    driver
}

fn step_ends(driver: &mut Driver, attempt: u64, step: u32) -> Vec<Effect> {
    let run = run(attempt, step);
    let mut effects = driver.input(Input::Run(run, RunEvent::Cell(output(step))));
    let exited = RunEvent::Exited { code: 0, tail: String::new() };
    effects.extend(driver.input(Input::Run(run, exited)));
    effects
}

fn shipped(effects: &[Effect]) -> usize {
    let outputs = |m: &ToCoordinator| match m {
        ToCoordinator::Cells { outputs, .. } => outputs.len(),
        _ => 0,
    };
    to_coordinators(effects).iter().map(outputs).sum()
}

#[test]
fn how_far_inputs_are_is_said_once_with_each_renewal() {
    let mut driver = Driver::new(1, Ledger::new());
    driver.submitter_says(SUBMITTER, lease(1, recipe(&[0, 1])));
    let attempt = Attempt(1);
    let told = |effects: &[Effect]| -> Vec<Staging> {
        let said = to_coordinators(effects).into_iter();
        said.filter_map(|said| match said {
            ToCoordinator::Staging { staging, .. } => Some(staging),
            _ => None,
        })
        .collect()
    };
    let comes = |driver: &mut Driver, here| {
        let staging = Staging { here, of: 100 };
        driver.input(Input::Staging { key: KEY, attempt, staging })
    };
    assert_eq!(told(&driver.wait(Duration::from_secs(1))), []);
    for here in [10, 20, 30] {
        assert_eq!(told(&comes(&mut driver, here)), [], "not each time");
    }
    let renewed = Duration::from_millis(600);
    assert_eq!(told(&driver.wait(renewed)), [Staging { here: 30, of: 100 }]);
    assert_eq!(told(&driver.wait(renewed)), [], "no news");
    // What comes late is no news any more, and for a lease that there isn't there never was any.
    comes(&mut driver, 40);
    driver.input(Input::Staged { key: KEY, attempt, result: Ok(()) });
    comes(&mut driver, 50);
    let staging = Staging { here: 1, of: 100 };
    driver.input(Input::Staging { key: KEY, attempt: Attempt(7), staging });
    assert_eq!(told(&driver.wait(renewed)), []);
}

#[test]
fn answers_are_repeated_until_they_are_acknowledged() {
    let mut driver = working();
    step_ends(&mut driver, 1, 0);
    step_ends(&mut driver, 1, 1);
    let again: usize = (0..4).map(|_| shipped(&driver.wait(Duration::from_secs(2)))).sum();
    assert!(again >= 2, "they are said again");
    let cells = vec![outlast_types::CellId(0), outlast_types::CellId(1)];
    driver.submitter_says(SUBMITTER, ToWorker::Ack { attempt: Attempt(1), cells });
    assert_eq!(driver.peer.footprint().leases_here, 0);
    assert_eq!(shipped(&driver.wait(Duration::from_secs(60))), 0);
}

#[test]
fn a_failure_is_told_once_until_it_is_due_again() {
    let mut driver = working();
    let failed = RunEvent::Exited { code: 3, tail: "no".to_owned() };
    let effects = driver.input(Input::Run(run(1, 0), failed));
    let failure = Failure::Program { exit: 3, tail: "no".to_owned() };
    let told = ToCoordinator::Failed { attempt: Attempt(1), failure };
    assert_eq!(to_coordinators(&effects), std::slice::from_ref(&told));
    assert!(to_coordinators(&driver.wait(Duration::from_secs(5))).contains(&told));
    driver.submitter_says(SUBMITTER, ToWorker::Revoke { attempts: vec![Attempt(1)] });
    assert_eq!(driver.peer.footprint().leases_here, 0);
}

#[test]
fn what_was_computed_is_shipped_before_a_failure_is_told() {
    let mut driver = working();
    let mut effects = step_ends(&mut driver, 1, 0);
    let failed = RunEvent::Failed(RunFailure::DiskFull);
    effects.extend(driver.input(Input::Run(run(1, 1), failed)));
    assert_eq!(shipped(&effects), 1);
    let told = |effects: &[Effect]| {
        to_coordinators(effects).iter().any(|m| matches!(m, ToCoordinator::Failed { .. }))
    };
    assert!(!told(&effects), "{effects:?}");
    let cells = vec![outlast_types::CellId(0)];
    let ack = ToWorker::Ack { attempt: Attempt(1), cells };
    assert!(told(&driver.submitter_says(SUBMITTER, ack)));
}

#[test]
fn a_submitter_that_is_gone_is_forgotten_also_after_failed_staging() {
    let mut driver = Driver::new(1, Ledger::new());
    driver.submitter_says(SUBMITTER, lease(1, recipe(&[0])));
    let result = Err(RunFailure::Setup("gone".to_owned()));
    driver.input(Input::Staged { key: KEY, attempt: Attempt(1), result });
    assert_eq!(driver.peer.footprint().leases_here, 1);
    driver.wait(Settings::default().orphan_ttl + Duration::from_secs(1));
    assert_eq!(driver.peer.footprint(), Footprint::default());
}

#[test]
fn failed_staging_is_tried_again_with_the_next_lease() {
    let mut driver = Driver::new(1, Ledger::new());
    driver.submitter_says(SUBMITTER, lease(1, recipe(&[0])));
    driver.input(Input::Staged {
        key: KEY,
        attempt: Attempt(1),
        result: Err(RunFailure::DiskFull),
    });
    let effects = driver.submitter_says(SUBMITTER, lease(2, recipe(&[0])));
    assert!(effects.iter().any(|e| matches!(e, Effect::Stage { .. })), "{effects:?}");
}

#[test]
fn a_recipe_that_leaves_its_folder_is_refused() {
    let mut bad = recipe(&[0]);
    bad.steps[0].program = Program::Staged("../../bin/sh".to_owned());
    let mut driver = Driver::new(1, Ledger::new());
    let effects = driver.submitter_says(SUBMITTER, lease(1, bad));
    let refused = |m: &ToCoordinator| {
        matches!(m, ToCoordinator::Refused { refusal: Refusal::BadRecipe(_), .. })
    };
    assert!(to_coordinators(&effects).iter().any(refused), "{effects:?}");
    assert_eq!(driver.peer.footprint(), Footprint::default());
}

#[test]
fn a_lease_that_comes_twice_is_held_once() {
    let mut driver = working();
    let effects = driver.submitter_says(SUBMITTER, lease(1, recipe(&[0, 1])));
    assert_eq!(to_coordinators(&effects), [ToCoordinator::Accepted { attempt: Attempt(1) }]);
    assert!(!effects.iter().any(|e| matches!(e, Effect::Run(_))), "{effects:?}");
}

#[test]
fn a_leaving_node_hands_back_what_waits_and_ends_what_runs() {
    let mut driver = working();
    driver.submitter_says(SUBMITTER, lease(2, recipe(&[5])));
    let effects = driver.input(Input::Drain);
    let back = ToCoordinator::Failed { attempt: Attempt(2), failure: Failure::Leaving };
    assert_eq!(to_coordinators(&effects), [back]);
    assert!(!effects.iter().any(|e| matches!(e, Effect::Kill(_))), "{effects:?}");
    step_ends(&mut driver, 1, 0);
    let revoke = ToWorker::Revoke { attempts: vec![Attempt(1), Attempt(2)] };
    let effects = driver.submitter_says(SUBMITTER, revoke);
    assert!(matches!(effects.last(), Some(Effect::Drained)), "{effects:?}");
}

#[test]
fn a_submitter_that_never_revokes_fills_no_more_than_the_bound() {
    let mut driver = Driver::new(1, Ledger::new());
    for attempt in 1..=3 * MAX_LEASES as u64 {
        driver.submitter_says(SUBMITTER, lease(attempt, recipe(&[0])));
        driver.input(Input::Staged {
            key: KEY,
            attempt: Attempt(attempt),
            result: Err(RunFailure::DiskFull),
        });
    }
    assert_eq!(driver.peer.footprint().leases_here, MAX_LEASES);
}

fn refusals(effects: &[Effect]) -> Vec<Refusal> {
    let refusal = |message: ToCoordinator| match message {
        ToCoordinator::Refused { refusal, .. } => Some(refusal),
        _ => None,
    };
    to_coordinators(effects).into_iter().filter_map(refusal).collect()
}

#[test]
fn who_has_no_right_to_submit_is_refused_without_effect() {
    let mut driver = Driver::new(1, Ledger::new());
    let stranger = Standing { works_for: Vec::new(), ..Standing::full(VO) };
    driver.input(Input::Standing { node: SUBMITTER, standing: stranger });
    let effects = driver.submitter_says(SUBMITTER, lease(1, recipe(&[0])));
    assert!(matches!(refusals(&effects)[..], [Refusal::Forbidden(_)]), "{effects:?}");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Stage { .. })), "{effects:?}");
    assert_eq!(driver.peer.footprint(), Footprint::default());
}

#[test]
fn a_right_in_one_organisation_is_none_in_another() {
    let mut driver = Driver::new(1, Ledger::new());
    let ToWorker::Lease { attempt, gridlet, manifest, recipe, .. } = lease(1, recipe(&[0])) else {
        unreachable!("it is a lease");
    };
    let elsewhere = Some(outlast_types::VoId::from_bytes([99; 32]));
    let lease = ToWorker::Lease { attempt, gridlet, vo: elsewhere, manifest, recipe };
    let effects = driver.submitter_says(SUBMITTER, lease);
    assert!(matches!(refusals(&effects)[..], [Refusal::Forbidden(_)]), "{effects:?}");
}

#[test]
fn the_work_of_an_expelled_submitter_ends_and_nothing_of_it_is_left() {
    let mut driver = working();
    let effects = driver.input(Input::Expelled(SUBMITTER));
    assert!(effects.iter().any(|e| matches!(e, Effect::Kill(_))), "{effects:?}");
    assert!(effects.iter().any(|e| matches!(e, Effect::Clean(KEY))), "{effects:?}");
    assert_eq!(driver.peer.footprint(), Footprint::default());
    let effects = driver.submitter_says(SUBMITTER, lease(2, recipe(&[0])));
    assert!(matches!(refusals(&effects)[..], [Refusal::Forbidden(_)]), "{effects:?}");
}

#[test]
fn one_member_gets_no_more_slots_than_its_quota() {
    let quotas = Quotas { member_slots: 2, ..Quotas::default() };
    let mut driver = Driver::with(4, Settings { quotas, ..Settings::default() });
    for attempt in 1..=2 {
        let effects = driver.submitter_says(SUBMITTER, lease(attempt, recipe(&[0])));
        assert_eq!(refusals(&effects), []);
    }
    let effects = driver.submitter_says(SUBMITTER, lease(3, recipe(&[1])));
    assert!(matches!(refusals(&effects)[..], [Refusal::Quota(_)]), "{effects:?}");
    let effects = driver.submitter_says(node(8), lease(1, recipe(&[0])));
    assert_eq!(refusals(&effects), [], "others have theirs");
}

#[test]
fn a_step_that_runs_beyond_what_is_allowed_is_ended() {
    let mut driver = working();
    let limit = Quotas::default().run_time;
    let failed =
        |m: &ToCoordinator| matches!(m, ToCoordinator::Failed { failure: Failure::Limit(_), .. });
    let mut effects = Vec::new();
    for _ in 0..=limit.as_secs() / 60 {
        // The submitter is there all the time.
        driver.submitter_says(SUBMITTER, ToWorker::Heard);
        effects.extend(driver.wait(Duration::from_secs(60)));
    }
    assert!(effects.iter().any(|e| matches!(e, Effect::Kill(_))), "it is killed");
    assert!(to_coordinators(&effects).iter().any(failed), "and that is told");
}

#[test]
fn a_lease_waits_for_its_own_inputs_and_for_no_others() {
    let needing = |cell: u32, names: &[&str]| {
        let mut recipe = recipe(&[cell]);
        let names = names.iter().map(|&name| name.to_owned()).collect();
        recipe.steps[0].inputs = Needs::Only(names);
        recipe
    };
    let runs = |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::Run(_)));
    let stages = |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::Stage { .. }));
    let mut driver = Driver::new(4, Ledger::new());
    assert!(stages(&driver.submitter_says(SUBMITTER, lease(1, needing(0, &["a", "b"])))));
    assert!(stages(&driver.submitter_says(SUBMITTER, lease(2, needing(1, &["c"])))));
    let staged = |attempt| Input::Staged { key: KEY, attempt: Attempt(attempt), result: Ok(()) };
    assert!(runs(&driver.input(staged(2))), "the first still waits");
    assert!(runs(&driver.input(staged(1))));
    let effects = driver.submitter_says(SUBMITTER, lease(3, needing(2, &["c", "a"])));
    assert!(runs(&effects) && !stages(&effects), "all of it is there already");
    assert!(stages(&driver.submitter_says(SUBMITTER, lease(4, needing(3, &["d"])))));
}

#[test]
fn a_step_without_inputs_waits_for_the_jobs_folder_too() {
    let mut driver = Driver::new(1, Ledger::new());
    let mut recipe = recipe(&[0]);
    for step in &mut recipe.steps {
        step.inputs = Needs::Only(Vec::new());
        step.program = Program::Installed("true".to_owned());
    }
    let effects = driver.submitter_says(SUBMITTER, lease(1, recipe));
    assert!(effects.iter().any(|e| matches!(e, Effect::Stage { .. })), "{effects:?}");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Run(_))), "{effects:?}");
}
