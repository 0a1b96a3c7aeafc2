//! Nodes whose clocks are hours apart: they work together where the time doesn't matter, and say so; where it does, the
//! refusal names both clocks.

use outlast_tests::clock::Clock;
use outlast_tests::gate::Gate;
use outlast_tests::{Node, SOON, World, skipped, until};

use crate::words;

const HOUR: i64 = 3600;

/// An answer of one node is enough.
const ECHO: &str = "run --replication 1 --samples 0 -- echo there";

/// What a daemon says of another one's clock.
fn warns_of_hours(node: &mut Node<'_>) {
    until("the clocks are compared", || {
        let said = node.process().stderr();
        said.contains("300 minutes apart").then_some(())
    });
}

#[test]
fn a_node_whose_clock_is_hours_ahead_works_with_the_others_and_is_told() {
    let world = World::new();
    let clock = match Clock::new(&world) {
        Ok(clock) => clock,
        Err(why) => return skipped(&why),
    };
    let mut a = Node::new(&world, "a", 0).up();
    let mut b = Node::new(&world, "b", 2).clock(&clock, 5 * HOUR).join(&a).up();
    a.knows(2);
    b.knows(2);
    // So it isn't that the wrong clock was never asked.
    warns_of_hours(&mut b);
    let said = a.outlast(&ECHO.split(' ').collect::<Vec<_>>()).with_code(0);
    assert_eq!(said.stdout, "there\n");
    let job = a.job();
    assert!(job.elapsed_s < HOUR as f64, "{} s", job.elapsed_s);
    // And the other way: the submitter is the one that is ahead, and it works itself.
    let said = b.outlast(&ECHO.split(' ').collect::<Vec<_>>()).with_code(0);
    assert_eq!(said.stdout, "there\n");
    // It is still the same after a restart of either, with what was remembered by other clocks.
    a.kill();
    a.start();
    b.kill();
    b.start();
    a.knows(2);
    let said = a.outlast(&ECHO.split(' ').collect::<Vec<_>>()).with_code(0);
    assert_eq!(said.stdout, "there\n");
}

#[test]
fn a_clock_that_was_set_back_by_hours_between_two_lives_loses_no_job() {
    let world = World::new();
    let clock = match Clock::new(&world) {
        Ok(clock) => clock,
        Err(why) => return skipped(&why),
    };
    let gate = Gate::closed(&world);
    // A slot for each run: which is begun first doesn't matter.
    let mut a = Node::new(&world, "a", 3).clock(&clock, 5 * HOUR).up();
    let sweep = gate.sweep(3);
    let id = a.outlast(&words(&["submit"], &sweep)).with_code(0).stdout.trim().to_owned();
    gate.open_for(0);
    until("one run is accepted", || (a.job().cells_accepted == 1).then_some(()));
    a.kill();
    a.clock_right();
    a.start();
    gate.open();
    a.start_outlast(&["wait", &id]).ended(SOON).with_code(0);
    let job = a.job();
    assert!(job.cells_accepted == 3 && (0.0..HOUR as f64).contains(&job.elapsed_s), "{job:?}");
}

#[test]
fn a_membership_that_is_still_to_come_is_not_believed_and_both_clocks_are_named() {
    let world = World::new();
    let clock = match Clock::new(&world) {
        Ok(clock) => clock,
        Err(why) => return skipped(&why),
    };
    let mut a = Node::new(&world, "a", 0).clock(&clock, 5 * HOUR).up();
    let mut b = Node::new(&world, "b", 1).join(&a).up();
    until("b says why it isn't a member", || {
        let said = b.process().stderr();
        let named = said.contains("which is still to come") && said.contains("set the one");
        named.then_some(())
    });
    assert_eq!((a.nodes().len(), b.nodes().len()), (1, 1));
    b.kill();
    // With its clock set right it founds its organisation anew, and its new tickets are good.
    a.kill();
    a.clock_right();
    a.start();
    let b = b.join(&a).up();
    b.knows(2);
}
