use std::sync::Arc;
use std::time::Duration;

use outlast_types::{Attempt, JobId};
use outlast_verify::{Ledger, Policy, Schedule};

use crate::testing::*;
use crate::{Effect, Input, JobSpec};

const TICK: Duration = Duration::from_millis(250);

/// A job whose replicas follow the load: the majority of three.
fn auto(id: JobId, gridlets: u64) -> Arc<JobSpec> {
    let policy = Policy { samples: 0, schedule: Schedule::Auto, ..Policy::with_majority(3) };
    Arc::new(JobSpec { id, policy, ..(*spec(gridlets, 1, 2)).clone() })
}

fn driver(workers: u8) -> Driver {
    let mut driver = Driver::new(0, Ledger::new());
    for worker in 2..2 + workers {
        driver.meet(node(worker));
    }
    driver
}

fn schedule(driver: &Driver, id: JobId) -> Option<Schedule> {
    driver.peer.job(id).unwrap().report(driver.now).schedule_now
}

fn cells(effects: &[Effect]) -> Vec<u32> {
    let mut cells: Vec<u32> = leases(effects).into_iter().flat_map(|(.., cells)| cells).collect();
    cells.sort_unstable();
    cells
}

#[test]
fn an_idle_grid_gets_all_replicas_at_once() {
    let mut driver = driver(6);
    let effects = driver.input(Input::Submit(auto(JOB, 2)));
    assert_eq!(cells(&effects), [0, 0, 0, 1, 1, 1]);
    assert_eq!(schedule(&driver, JOB), Some(Schedule::AllAtOnce));
}

#[test]
fn a_busy_grid_gets_replicas_one_after_the_other_and_idle_slots_at_the_end() {
    let mut driver = driver(3);
    let effects = driver.input(Input::Submit(auto(JOB, 2)));
    assert_eq!(cells(&effects), [0, 1], "no gridlet twice while a lease of it may do");
    assert_eq!(schedule(&driver, JOB), Some(Schedule::Incremental));
    // Nothing else waits, and one worker has nothing to do.
    let version = driver.peer.job(JOB).unwrap().version();
    assert_eq!(cells(&driver.wait(TICK)).len(), 1);
    assert_eq!(schedule(&driver, JOB), Some(Schedule::AllAtOnce));
    assert!(driver.peer.job(JOB).unwrap().version() > version, "a user can see it");
}

#[test]
fn workers_that_come_change_the_choice() {
    let mut driver = driver(1);
    assert_eq!(cells(&driver.input(Input::Submit(auto(JOB, 2)))), [0]);
    assert_eq!(cells(&driver.meet(node(10))), [1], "what nobody has begun comes first");
    let effects: Vec<Effect> = (12..18).flat_map(|worker| driver.meet(node(worker))).collect();
    assert_eq!(cells(&effects), [0, 0, 1, 1]);
}

#[test]
fn the_work_of_another_job_comes_before_further_replicas() {
    let mut driver = driver(1);
    let other = JobId::from_u64(8);
    driver.input(Input::Submit(spec(20, 1, 1)));
    driver.input(Input::Submit(auto(other, 1)));
    driver.wait(TICK);
    assert_eq!(schedule(&driver, other), Some(Schedule::Incremental));
}

#[test]
fn a_load_that_says_nothing_new_moves_nothing() {
    let mut driver = driver(2);
    driver.input(Input::Submit(spec(8, 1, 2)));
    driver.worker_says(node(2), crate::wire::ToCoordinator::Accepted { attempt: Attempt(1) });
    driver.worker_says(node(3), crate::wire::ToCoordinator::Accepted { attempt: Attempt(2) });
    let version = driver.peer.job(JOB).unwrap().version();
    assert_eq!(leases(&driver.wait(TICK)), []);
    assert_eq!(driver.peer.job(JOB).unwrap().version(), version);
    assert_eq!(schedule(&driver, JOB), None, "nothing is left to the load");
}
