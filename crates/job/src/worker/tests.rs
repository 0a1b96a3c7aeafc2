use std::time::Duration;

use outlast_gridlet::{Program, Recipe};
use outlast_types::{Attempt, GridletId, Hash, NodeId};
use outlast_verify::Ledger;

use super::MAX_LEASES;
use crate::testing::*;
use crate::wire::{Failure, ManifestRef, Refusal, ToCoordinator, ToWorker};
use crate::{Effect, Footprint, Input, JobKey, RunEvent, RunFailure, RunId, Settings};

const SUBMITTER: NodeId = NodeId::from_bytes([9; 32]);
const KEY: JobKey = JobKey { submitter: SUBMITTER, job: JOB };

fn lease(attempt: u64, recipe: Recipe) -> ToWorker {
    let manifest = ManifestRef { hash: Hash::of(b""), length: 0 };
    ToWorker::Lease { attempt: Attempt(attempt), gridlet: GridletId(0), manifest, recipe }
}

fn run(attempt: u64, step: u32) -> RunId {
    RunId { key: KEY, attempt: Attempt(attempt), step }
}

/// A worker of one slot with a lease of two cells, whose first step runs.
fn working() -> Driver {
    let mut driver = Driver::new(1, Ledger::new());
    let effects = driver.submitter_says(SUBMITTER, lease(1, recipe(&[0, 1])));
    assert!(effects.iter().any(|e| matches!(e, Effect::Stage { .. })), "{effects:?}");
    let effects = driver.input(Input::Staged { key: KEY, result: Ok(()) });
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
    driver.input(Input::Staged { key: KEY, result });
    assert_eq!(driver.peer.footprint().leases_here, 1);
    driver.wait(Settings::default().orphan_ttl + Duration::from_secs(1));
    assert_eq!(driver.peer.footprint(), Footprint::default());
}

#[test]
fn failed_staging_is_tried_again_with_the_next_lease() {
    let mut driver = Driver::new(1, Ledger::new());
    driver.submitter_says(SUBMITTER, lease(1, recipe(&[0])));
    driver.input(Input::Staged { key: KEY, result: Err(RunFailure::DiskFull) });
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
        driver.input(Input::Staged { key: KEY, result: Err(RunFailure::DiskFull) });
    }
    assert_eq!(driver.peer.footprint().leases_here, MAX_LEASES);
}
