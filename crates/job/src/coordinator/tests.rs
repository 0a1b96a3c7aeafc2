use std::sync::Arc;

use outlast_types::{Attempt, Region};
use outlast_verify::Ledger;

use crate::testing::*;
use crate::wire::{Staging, ToCoordinator, ToWorker};
use crate::{Effect, End, Examined, Input, JobSpec, Phase, Record, Recovered};

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
    assert_eq!(
        driver.peer.job(JOB).unwrap().workers(driver.now)[0].out,
        Some("sent no valid result")
    );
}

#[test]
fn how_far_inputs_are_is_told_as_long_as_it_is_news() {
    let (mut driver, _) = grid(&[2, 3], 2, 2, 1);
    let staging = |here, of| Staging { here, of };
    let says = |attempt, here, of| ToCoordinator::Staging {
        attempt: Attempt(attempt),
        staging: staging(here, of),
    };
    assert_eq!(report(&driver).staging, None);
    let version = report(&driver).version;
    driver.worker_says(node(2), says(1, 10, 100));
    driver.worker_says(node(3), says(2, 90, 100));
    assert!(report(&driver).version > version, "whoever watches is told");
    assert_eq!(report(&driver).staging, Some((2, staging(100, 200))));
    let workers = driver.peer.job(JOB).unwrap().workers(driver.now);
    assert_eq!(workers[0].staging, Some(staging(10, 100)));
    // Of another one's lease nobody can say anything; all there is no news; nor is what is more than there can be.
    driver.worker_says(node(2), says(2, 1, 100));
    driver.worker_says(node(3), says(2, u64::MAX, 100));
    assert_eq!(report(&driver).staging, Some((1, staging(10, 100))));
    // Who says absurd numbers gets absurd numbers, and nothing else happens.
    driver.worker_says(node(2), says(1, 1, u64::MAX));
    driver.worker_says(node(3), says(2, 1, u64::MAX));
    assert_eq!(report(&driver).staging, Some((2, staging(2, u64::MAX))));
    // An answer ends it, and so does time.
    driver.answers(node(2), Attempt(1), &[0]);
    assert_eq!(report(&driver).staging, Some((1, staging(1, u64::MAX))));
    driver.wait(super::report::STAGING_NEWS);
    assert_eq!(report(&driver).staging, None);
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

/// The worker's answer is offered, and can't be compared, so often.
fn undecided(driver: &mut Driver, worker: u8, attempt: u64, times: u32) -> Vec<Effect> {
    let mut effects = Vec::new();
    for _ in 0..times {
        let ticket = driver.answers(node(worker), Attempt(attempt), &[0]);
        let why = "`./same.sh` ended with exit code 139".to_owned();
        let results = vec![(output(0), Examined::Undecided(why))];
        effects.extend(driver.input(Input::Examined { job: JOB, ticket, results }));
    }
    effects
}

#[test]
fn what_cannot_be_compared_is_neither_accepted_nor_held_against_anybody() {
    let (mut driver, _) = grid(&[2, 3], 1, 1, 1);
    let effects = undecided(&mut driver, 2, 1, 2);
    assert_eq!((records(&effects), to_workers(&effects)), (vec![], vec![]));
    // The third time another node gets its try.
    let effects = undecided(&mut driver, 2, 1, 1);
    assert_eq!(leases(&effects), [(node(3), Attempt(2), vec![0])]);
    let ticket = driver.answers(node(3), Attempt(2), &[0]);
    driver.examined(ticket, 0, &[0]);
    let after = report(&driver);
    assert_eq!((after.cells_accepted, after.rejected), (1, 0));
    assert_eq!(after.phase, Phase::Merging);
    assert!(
        driver.peer.job(JOB).unwrap().workers(driver.now).iter().all(|worker| worker.out.is_none())
    );
}

#[test]
fn a_comparator_that_always_fails_ends_the_job_and_says_so() {
    for workers in [&[2, 3, 4, 5][..], &[2, 3], &[2]] {
        let (mut driver, _) = grid(workers, 1, 1, 2);
        for (attempt, worker) in (1..).zip(&workers[..workers.len().min(3)]) {
            assert_eq!(report(&driver).phase, Phase::Running, "{workers:?}");
            undecided(&mut driver, *worker, attempt, 3);
        }
        let Phase::Ended(End::Failed(why)) = report(&driver).phase else { panic!("{workers:?}") };
        assert!(why.contains("gridlet 0 can't be compared") && why.contains("./same.sh"), "{why}");
        assert_eq!((report(&driver).rejected, report(&driver).cells_accepted), (0, 0));
    }
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

/// Gridlets of cells 0 1 2 and 3 4 5; in a second layer 0, 1 2 3 and 4 5.
fn layered(quorum: u8) -> Arc<JobSpec> {
    let line = |range| Region::new([0..1, range]);
    let mut spec = spec(1, 6, quorum);
    let spec_mut = Arc::make_mut(&mut spec);
    spec_mut.manager = Empty::cut(6, &[0..3, 3..6]);
    let first = vec![line(0..3), line(3..6)];
    spec_mut.layers = vec![first, vec![line(0..1), line(1..4), line(4..6)]];
    spec
}

/// The worker gives all cells of its leases these classes; hands out what follows.
fn answer(driver: &mut Driver, lease: &(outlast_types::NodeId, Attempt, Vec<u32>)) -> Vec<Effect> {
    let (worker, attempt, cells) = lease;
    let ticket = driver.answers(*worker, *attempt, cells);
    driver.examined(ticket, 0, cells)
}

#[test]
fn second_answers_are_computed_in_the_second_layer() {
    let mut driver = Driver::new(0, Ledger::new());
    driver.meet(node(2));
    driver.meet(node(3));
    let effects = driver.input(Input::Submit(layered(2)));
    let first = leases(&effects);
    let cells = |leases: &[(_, _, Vec<u32>)]| {
        leases.iter().map(|(_, _, cells)| cells.clone()).collect::<Vec<_>>()
    };
    assert_eq!(cells(&first), [vec![0, 1, 2], vec![3, 4, 5]]);
    let mut effects = answer(&mut driver, &first[0]);
    // Only what lies wholly in the part that was answered.
    let mut second = leases(&effects);
    assert!(second.is_empty() || cells(&second) == [vec![0]], "{second:?}");
    effects = answer(&mut driver, &first[1]);
    second.extend(leases(&effects));
    let mut seen = cells(&second);
    while let Some(lease) = second.pop() {
        let more = leases(&answer(&mut driver, &lease));
        seen.extend(cells(&more));
        second.extend(more);
    }
    // Each worker computes what the other one did, in other pieces.
    let pieces = [vec![0], vec![1, 2, 3], vec![1, 2], vec![3], vec![4, 5]];
    assert!(seen.iter().all(|piece| pieces.contains(piece)), "{seen:?}");
    assert_eq!(seen.iter().map(Vec::len).sum::<usize>(), 6, "{seen:?}");
    assert_eq!(report(&driver).phase, Phase::Merging);
    assert_eq!((report(&driver).gridlets, report(&driver).gridlets_done), (2, 2));
}

#[test]
fn a_restart_with_layers_is_where_it_was() {
    let mut driver = Driver::new(0, Ledger::new());
    driver.meet(node(2));
    driver.meet(node(3));
    let effects = driver.input(Input::Submit(layered(2)));
    let mut journal = records(&effects);
    for lease in leases(&effects) {
        journal.extend(records(&answer(&mut driver, &lease)));
    }
    let before = report(&driver);
    let mut again = Driver::new(0, Ledger::new());
    let job = Recovered { spec: layered(2), records: journal };
    again.peer.resume(again.now, job, &mut Vec::new());
    let after = report(&again);
    assert_eq!(
        (before.leases, before.cells_accepted, before.waiting),
        (after.leases, after.cells_accepted, after.waiting)
    );
}
