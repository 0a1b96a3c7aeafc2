use outlast_types::Attempt;
use outlast_verify::Ledger;

use super::*;
use crate::testing::*;
use crate::{Effect, Input};

/// Three workers; the first says something else than the others about cell 1. Hands out the journal.
fn told() -> Vec<Record> {
    let mut driver = Driver::new(0, Ledger::new());
    let mut journal = Vec::new();
    let mut note = |effects: &[Effect]| journal.extend(records(effects));
    driver.meet(node(2));
    note(&driver.input(Input::Submit(job())));
    let ticket = driver.answers(node(2), Attempt(1), &[0, 1]);
    let mut results = driver.examined(ticket, 0, &[0]);
    note(&results);
    let ticket = driver.answers(node(2), Attempt(1), &[1]);
    note(&driver.examined(ticket, 1, &[1]));
    for worker in [3, 4] {
        results = driver.meet(node(worker));
        while let Some((to, attempt, cells)) = leases(&results).pop() {
            note(&results);
            let ticket = driver.answers(to, attempt, &cells);
            results = driver.examined(ticket, 0, &cells);
        }
        note(&results);
    }
    journal
}

fn job() -> Arc<JobSpec> {
    let mut job = spec(1, 2, 2);
    Arc::make_mut(&mut job).policy.max_answers = 5;
    job
}

#[test]
fn a_story_says_who_answered_what_and_why_it_was_accepted() {
    let story = story(job(), ME, told(), GridletId(0)).unwrap();
    assert!(!story.cut);
    let cells = |cells: &[u32]| cells.iter().copied().map(CellId).collect::<Vec<_>>();
    let granted = |worker, of: &[u32]| Scene::Granted {
        worker: node(worker),
        gridlet: GridletId(0),
        cells: cells(of),
        rival: false,
    };
    let answered = |worker, class, of: &[u32]| Scene::Answered {
        worker: node(worker),
        class: Class(class),
        cells: cells(of),
        refuted: false,
    };
    let accepted = |of: &[u32], by: &[u8]| Scene::Accepted {
        cells: cells(of),
        class: Class(0),
        how: How::Quorum(2),
        by: by.iter().map(|&n| node(n)).collect(),
    };
    assert_eq!(
        story.scenes,
        [
            granted(2, &[0, 1]),
            answered(2, 0, &[0]),
            answered(2, 1, &[1]),
            granted(3, &[0, 1]),
            answered(3, 0, &[0, 1]),
            accepted(&[0], &[2, 3]),
            granted(4, &[1]),
            answered(4, 0, &[1]),
            accepted(&[1], &[3, 4]),
            Scene::Wrong { worker: node(2), cells: cells(&[1]), proof: Proof::Outvoted },
        ]
    );
}

#[test]
fn there_is_no_story_of_a_gridlet_that_the_job_does_not_have() {
    assert_eq!(story(job(), ME, told(), GridletId(1)), None);
}

#[test]
fn who_had_only_a_quiz_is_named_when_it_is_struck() {
    let mut journal = told();
    let cells = vec![CellId(0), CellId(1)];
    journal.push(Record::Quizzed {
        attempt: Attempt(9),
        gridlet: GridletId(0),
        worker: node(5),
        cells: cells.clone(),
    });
    journal.extend([Record::Struck(node(5)), Record::Struck(node(6))]);
    let story = story(job(), ME, journal, GridletId(0)).unwrap();
    let last = &story.scenes[story.scenes.len() - 2..];
    let quizzed = Scene::Quizzed { worker: node(5), cells };
    assert_eq!(last, [quizzed, Scene::Struck { worker: node(5) }], "6 never saw it");
}
