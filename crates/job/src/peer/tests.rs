use outlast_types::Attempt;
use outlast_verify::Ledger;

use crate::testing::*;
use crate::wire::{ToCoordinator, ToWorker};
use crate::{Effect, End, Footprint, Input, JobKey, Phase, Record, Recovered, RunEvent};

#[test]
fn a_node_alone_does_its_own_job_and_says_nothing_to_itself() {
    let mut driver = Driver::new(1, Ledger::new());
    let mut effects = driver.input(Input::Submit(spec(3, 2, 2)));
    let mut runs = 0;
    // Far more than the job takes.
    for _ in 0..1000 {
        if effects.is_empty() {
            break;
        }
        for effect in std::mem::take(&mut effects) {
            let inputs = match effect {
                Effect::Stage { key, attempt, .. } => {
                    vec![Input::Staged { key, attempt, result: Ok(()) }]
                }
                Effect::Run(run) => {
                    runs += 1;
                    let cell = run.step.harvest[0].cell.0;
                    let exited = RunEvent::Exited { code: 0, tail: String::new() };
                    vec![
                        Input::Run(run.id, RunEvent::Cell(output(cell))),
                        Input::Run(run.id, exited),
                    ]
                }
                Effect::Examine { ticket, outputs, .. } => {
                    let cells: Vec<u32> = outputs.iter().map(|output| output.cell.0).collect();
                    effects.extend(driver.examined(ticket, 0, &cells));
                    Vec::new()
                }
                Effect::Merge(job) => {
                    vec![Input::Merged { job, result: Ok(Default::default()) }]
                }
                Effect::Send { to, .. } => panic!("something is sent to {to}"),
                _ => Vec::new(),
            };
            for input in inputs {
                effects.extend(driver.input(input));
            }
        }
    }
    let phase = driver.peer.job(JOB).unwrap().phase();
    assert_eq!(*phase, Phase::Ended(End::Done(Default::default())));
    assert_eq!(runs, 6, "its own answers need no second");
    assert_eq!(driver.peer.footprint(), Footprint::default());
}

#[test]
fn who_asks_about_an_unknown_job_hears_that_it_is_over() {
    let mut driver = Driver::new(1, Ledger::new());
    let attempts = vec![Attempt(1)];
    let effects = driver.worker_says(node(4), ToCoordinator::Alive { attempts });
    assert_eq!(to_workers(&effects), [ToWorker::Ended]);
    assert_eq!(driver.peer.counters().unknown_job, 1);
}

#[test]
fn a_liar_of_the_ledger_is_struck_after_a_restart() {
    let mut ledger = Ledger::new();
    ledger.blacklist(node(2));
    let granted = Record::Granted {
        attempt: Attempt(1),
        gridlet: outlast_types::GridletId(0),
        worker: node(2),
        cells: Vec::new(),
        rival: false,
    };
    let mut journal = vec![granted];
    for _ in 0..2 {
        let mut driver = Driver::new(0, ledger.clone());
        let job = Recovered { spec: spec(1, 1, 1), records: journal.clone() };
        let mut effects = Vec::new();
        driver.peer.resume(driver.now, job, &mut effects);
        journal.extend(records(&effects));
    }
    let struck = journal.iter().filter(|record| **record == Record::Struck(node(2))).count();
    assert_eq!(struck, 1, "once, however often it restarts: {journal:?}");
}

#[test]
fn an_ended_job_leaves_nothing_at_its_workers() {
    let mut driver = Driver::new(1, Ledger::new());
    driver.input(Input::Submit(spec(1, 1, 1)));
    let effects = driver.input(Input::Cancel(JOB));
    let key = JobKey { submitter: ME, job: JOB };
    let cleaned = |e: &Effect| matches!(e, Effect::Clean(cleaned) if *cleaned == key);
    assert!(effects.iter().any(cleaned), "{effects:?}");
    assert_eq!(driver.peer.footprint(), Footprint::default());
}
