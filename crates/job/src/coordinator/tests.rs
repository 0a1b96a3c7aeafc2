use outlast_types::Attempt;
use outlast_verify::Ledger;

use crate::testing::*;
use crate::wire::{ToCoordinator, ToWorker};
use crate::{Effect, End, Input, Phase, Record, Recovered};

/// A submitter without slots and these workers, with a job.
fn grid(workers: &[u8], gridlets: u64, cells: u64, quorum: u8) -> (Driver, Vec<Effect>) {
    let mut driver = Driver::new(0, Ledger::new());
    for &worker in workers {
        driver.meet(node(worker));
    }
    let effects = driver.input(Input::Submit(spec(gridlets, cells, quorum)));
    (driver, effects)
}

fn report(driver: &Driver) -> crate::Report {
    driver.peer.job(JOB).unwrap().report(driver.now)
}

#[test]
fn a_lease_is_journaled_before_it_leaves() {
    let (_, effects) = grid(&[2], 1, 1, 1);
    let granted = effects
        .iter()
        .position(|e| matches!(e, Effect::Journal { record: Record::Granted { .. }, .. }))
        .unwrap();
    assert_eq!(leases(&effects[..granted]), []);
    assert_eq!(leases(&effects[granted..]), [(node(2), Attempt(1), vec![0])]);
}

#[test]
fn an_answer_is_stored_and_its_vote_journaled_before_it_is_acknowledged() {
    let (mut driver, _) = grid(&[2], 1, 2, 1);
    let ticket = driver.answers(node(2), Attempt(1), &[0]);
    let effects = driver.examined(ticket, 0, &[0]);
    let at = |wanted: fn(&Effect) -> bool| effects.iter().position(wanted).unwrap();
    let stored = at(|e| matches!(e, Effect::Store { .. }));
    let voted = at(|e| matches!(e, Effect::Journal { record: Record::Votes { .. }, .. }));
    let said = at(|e| matches!(e, Effect::Send { .. }));
    assert!(stored < voted && voted < said, "{effects:?}");
    let cells = vec![outlast_types::CellId(0)];
    assert_eq!(to_workers(&effects), [ToWorker::Ack { attempt: Attempt(1), cells }]);
}

#[test]
fn whoever_continues_gets_only_what_is_missing() {
    let (mut driver, _) = grid(&[2], 1, 3, 1);
    let ticket = driver.answers(node(2), Attempt(1), &[0, 2]);
    driver.examined(ticket, 0, &[0, 2]);
    driver.lose(node(2));
    let effects = driver.meet(node(3));
    assert_eq!(leases(&effects), [(node(3), Attempt(2), vec![1])]);
}

#[test]
fn a_late_answer_is_counted_and_its_lease_revoked() {
    let (mut driver, _) = grid(&[2], 1, 1, 1);
    driver.lose(node(2));
    let late = ToCoordinator::Cells { attempt: Attempt(1), outputs: vec![output(0)] };
    let effects = driver.worker_says(node(2), late);
    assert_eq!(to_workers(&effects), [ToWorker::Revoke { attempts: vec![Attempt(1)] }]);
    assert_eq!((report(&driver).late, report(&driver).cells_accepted), (1, 0));
}

#[test]
fn a_class_is_stored_although_its_vote_is_too_late() {
    let (mut driver, _) = grid(&[2], 1, 1, 1);
    let ticket = driver.answers(node(2), Attempt(1), &[0]);
    driver.lose(node(2));
    let effects = driver.examined(ticket, 0, &[0]);
    assert!(effects.iter().any(|e| matches!(e, Effect::Store { .. })), "{effects:?}");
    assert_eq!(records(&effects), []);
    assert_eq!(report(&driver).cells_accepted, 0);
}

#[test]
fn a_cell_outside_its_lease_bars_a_worker() {
    let (mut driver, _) = grid(&[2], 2, 1, 1);
    let wrong = ToCoordinator::Cells { attempt: Attempt(1), outputs: vec![output(1)] };
    let effects = driver.worker_says(node(2), wrong);
    assert!(matches!(records(&effects)[0], Record::Barred { .. }), "{effects:?}");
    assert_eq!(leases(&effects), []);
    assert_eq!(driver.peer.job(JOB).unwrap().workers()[0].out, Some("sent no valid result"));
}

#[test]
fn a_long_renewal_gets_one_answer() {
    let (mut driver, _) = grid(&[2], 1, 1, 1);
    let attempts: Vec<Attempt> = (1..1000).map(Attempt).collect();
    let effects = driver.worker_says(node(2), ToCoordinator::Alive { attempts });
    let over = (2..1000).map(Attempt).collect();
    assert_eq!(to_workers(&effects), [ToWorker::Revoke { attempts: over }]);
}

#[test]
fn a_silent_worker_loses_its_lease() {
    let (mut driver, _) = grid(&[2], 1, 1, 1);
    let tick = std::time::Duration::from_millis(250);
    let effects: Vec<Effect> = (0..12).flat_map(|_| driver.wait(tick)).collect();
    assert!(records(&effects).contains(&Record::Released { attempt: Attempt(1) }), "{effects:?}");
    assert_eq!(report(&driver).expired, 1);
}

#[test]
fn a_pause_of_this_node_is_not_the_silence_of_its_workers() {
    let (mut driver, _) = grid(&[2], 1, 1, 1);
    driver.wait(std::time::Duration::from_secs(3));
    assert_eq!(report(&driver).expired, 0);
}

#[test]
fn answers_that_disagree_end_a_job_that_its_own_node_cannot_compute() {
    let (mut driver, _) = grid(&[2, 3], 1, 1, 2);
    let first = driver.answers(node(2), Attempt(1), &[0]);
    let effects = driver.examined(first, 0, &[0]);
    assert_eq!(leases(&effects), [(node(3), Attempt(2), vec![0])]);
    let second = driver.answers(node(3), Attempt(2), &[0]);
    driver.examined(second, 1, &[0]);
    assert!(matches!(report(&driver).phase, Phase::Ended(End::Failed(_))));
}

#[test]
fn a_restart_keeps_leases_votes_and_the_next_attempt() {
    let (mut driver, effects) = grid(&[2, 3], 3, 2, 1);
    let mut journal = records(&effects);
    let ticket = driver.answers(node(2), Attempt(1), &[0]);
    journal.extend(records(&driver.examined(ticket, 0, &[0])));
    journal.extend(records(&driver.lose(node(3))));
    let before = report(&driver);

    let mut again = Driver::new(0, Ledger::new());
    let mut effects = Vec::new();
    let job = Recovered { spec: spec(3, 2, 1), records: journal };
    again.peer.resume(again.now, job, &mut effects);
    let after = report(&again);
    assert_eq!(
        (before.leases, before.cells_accepted, before.waiting),
        (after.leases, after.cells_accepted, after.waiting)
    );
    let next = leases(&again.meet(node(4)));
    assert_eq!(next[0].1, Attempt(3), "{next:?}");
}

#[test]
fn an_output_that_cannot_be_written_is_written_again_on_demand() {
    let (mut driver, _) = grid(&[2], 1, 1, 1);
    let ticket = driver.answers(node(2), Attempt(1), &[0]);
    let effects = driver.examined(ticket, 0, &[0]);
    assert!(effects.iter().any(|e| matches!(e, Effect::Merge(JOB))), "{effects:?}");
    driver.input(Input::Merged { job: JOB, result: Err("no space".to_owned()) });
    assert_eq!(report(&driver).phase, Phase::Ended(End::Unwritten("no space".to_owned())));
    let effects = driver.input(Input::Retry(JOB));
    assert!(effects.iter().any(|e| matches!(e, Effect::Merge(JOB))), "{effects:?}");
    driver.input(Input::Merged { job: JOB, result: Ok(Default::default()) });
    assert_eq!(report(&driver).phase, Phase::Ended(End::Done(Default::default())));
}
