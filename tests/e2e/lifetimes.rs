//! Workers that die, vanish or leave in the middle of a job.

use outlast_api::types::NodeState;
use outlast_tests::gate::Gate;
use outlast_tests::network::Network;
use outlast_tests::picture::Scene;
use outlast_tests::{Node, SOON, World, skipped, until};

use crate::words;

/// Opens the gate for runs that a node has begun, and waits until they are accepted.
fn finish_some(a: &Node<'_>, gate: &Gate, runs: &[u32]) {
    for &run in runs {
        gate.open_for(run);
    }
    until("some cells are accepted", || {
        (a.job().cells_accepted as usize >= runs.len()).then_some(())
    });
}

/// All runs of a sweep ended, and those that were accepted early were run once only.
#[track_caller]
fn all_ran(world: &World, gate: &Gate, count: u32, once: &[u32]) {
    let manifest = world.read("sweep-results/manifest.csv");
    assert_eq!(manifest.lines().count() as u32, count + 1, "{manifest}");
    let ended = gate.ended();
    assert_eq!(ended.len() as u32, count, "{ended:?}");
    let begun = gate.begun();
    for run in once {
        let times = begun.iter().filter(|(begun, _)| begun == run).count();
        assert_eq!(times, 1, "run {run} was accepted, and is computed again: {begun:?}");
    }
}

#[test]
fn when_a_worker_is_killed_others_do_what_is_missing_and_nothing_else() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 0).up();
    let mut b = Node::new(&world, "b", 2).join(&a).up();
    let c = Node::new(&world, "c", 2).join(&a).up();
    a.knows(3);
    let mut client = a.start_outlast(&words(&["run"], &gate.sweep(8)));
    let first = gate.runs_at(&b, 2);
    gate.runs_at(&c, 1);
    finish_some(&a, &gate, &first);
    gate.runs_at(&b, 3);
    b.kill();
    until("the lost leases are noticed", || {
        (a.show().verification.expired_leases > 0).then_some(())
    });
    gate.open();
    client.ended(SOON).with_code(0);
    all_ran(&world, &gate, 8, &first);
    until("the dead node is held gone", || {
        (a.view_of("b")?.state == NodeState::Gone).then_some(())
    });
}

#[test]
fn when_a_worker_is_killed_while_it_renders_the_picture_is_right() {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 160, 160) else { return };
    let a = Node::new(&world, "a", 0).up();
    let mut b = Node::new(&world, "b", 1).join(&a).up();
    let _c = Node::new(&world, "c", 1).join(&a).up();
    a.knows(3);
    let command = scene.command("out.png");
    let mut client =
        a.start_outlast(&words(&["run", "--gridlets", "8", "--replication", "1", "--"], &command));
    until("b has answered something", || {
        let job = a.jobs().into_iter().next().map(|_| a.show())?;
        job.workers.iter().any(|row| row.name == "b" && row.accepted > 0).then_some(())
    });
    b.kill();
    client.ended(SOON).with_code(0);
    scene.is_in("out.png");
}

#[test]
fn answers_that_come_after_a_cut_network_heals_are_dropped_and_counted() {
    let world = World::new();
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => return skipped(&why),
    };
    let hosts: Result<Vec<_>, _> = (0..3).map(|_| network.host()).collect();
    let hosts = match hosts {
        Ok(hosts) => hosts,
        Err(why) => return skipped(&why),
    };
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 0).on(&hosts[0]).up();
    let b = Node::new(&world, "b", 1).on(&hosts[1]).join(&a).up();
    let c = Node::new(&world, "c", 1).on(&hosts[2]).join(&a).up();
    a.knows(3);
    let mut client = a.start_outlast(&words(&["run"], &gate.sweep(6)));
    let cut = gate.runs_at(&b, 1);
    gate.runs_at(&c, 1);
    hosts[1].cut();
    until("b's lease is lost", || (a.show().verification.expired_leases > 0).then_some(()));
    // b comes to its end while nobody hears it.
    gate.open_for(cut[0]);
    until("b's run ended", || gate.ended().contains_key(&cut[0]).then_some(()));
    hosts[1].heal();
    until("b is back", || (a.view_of("b")?.state == NodeState::Alive).then_some(()));
    until("the late answer is counted", || (a.show().verification.late_answers > 0).then_some(()));
    gate.open();
    client.ended(SOON).with_code(0);
    all_ran(&world, &gate, 6, &[]);
}

#[test]
fn a_worker_that_leaves_finishes_what_it_runs_and_hands_back_the_rest() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 0).up();
    let mut b = Node::new(&world, "b", 1).join(&a).up();
    let c = Node::new(&world, "c", 1).join(&a).up();
    a.knows(3);
    let mut client = a.start_outlast(&words(&["run"], &gate.sweep(10)));
    let first = gate.runs_at(&b, 1);
    gate.runs_at(&c, 1);
    let mut down = b.start_outlast(&["down"]);
    until("others are told", || a.view_of("b")?.draining.then_some(()));
    gate.open_for(first[0]);
    down.ended(SOON).with_code(0);
    b.process().ended(SOON).with_code(0);
    gate.open();
    client.ended(SOON).with_code(0);
    all_ran(&world, &gate, 10, &(0..10).collect::<Vec<_>>());
    assert_eq!(gate.begun_at(&b), first, "a leaving node begins nothing new");
    assert_eq!(a.show().verification.expired_leases, 0, "nothing was lost");
}
