//! The submitter's side goes away in the middle of a job: its daemon, or a client.

use nix::sys::signal::Signal;
use outlast_api::types::JobState;
use outlast_tests::gate::Gate;
use outlast_tests::picture::Scene;
use outlast_tests::{Node, SOON, World, until};

use crate::words;

/// Runs that were begun more than once.
fn twice(gate: &Gate) -> Vec<u32> {
    let mut runs: Vec<u32> = gate.begun().into_iter().map(|(run, _)| run).collect();
    runs.sort_unstable();
    let pairs = runs.windows(2).filter(|pair| pair[0] == pair[1]);
    pairs.map(|pair| pair[0]).collect()
}

#[test]
fn a_job_goes_on_from_its_record_whenever_the_submitters_daemon_is_killed() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let mut a = Node::new(&world, "a", 0).up();
    let b = Node::new(&world, "b", 2).join(&a).up();
    a.knows(2);
    // A connection that is younger may be one of two nodes that dial each other, and is not given up at once.
    until("they have known each other for a while", || (b.status().uptime_s > 3.0).then_some(()));
    // The first time at once after the acknowledgement.
    let id = a.outlast(&words(&["submit"], &gate.sweep(8))).with_code(0).stdout;
    a.kill();
    a.start();
    assert_eq!(a.job().id, id.trim());
    // The second time while work is out and nothing is accepted.
    let running = gate.runs_at(&b, 2);
    a.kill();
    a.start();
    // The third time with some of it accepted.
    running.iter().for_each(|&run| gate.open_for(run));
    until("the first runs are accepted", || (a.job().cells_accepted == 2).then_some(()));
    gate.runs_at(&b, 4);
    a.kill();
    // While nobody listens, the worker comes to an end.
    gate.open();
    until("b ended what it had", || (gate.ended().len() >= 4).then_some(()));
    a.start();
    a.outlast(&["wait", id.trim()]).with_code(0);
    assert_eq!(world.read("sweep-results/manifest.csv").lines().count(), 9);
    assert_eq!(twice(&gate), [0u32; 0], "no run was wasted");
    // The fourth time when all is over.
    a.kill();
    a.start();
    assert_eq!(a.job().state, JobState::Done);
    a.outlast(&["wait", id.trim()]).with_code(0);
    assert_eq!(twice(&gate), [0u32; 0]);
}

#[test]
fn a_picture_is_right_although_the_submitters_daemon_was_killed() {
    let world = World::new();
    let Some(scene) = Scene::new(&world, 160, 128) else { return };
    let mut a = Node::new(&world, "a", 1).up();
    let _b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    let command = scene.command("out.png");
    let mut client = a.start_outlast(&words(&["run", "--gridlets", "6", "--"], &command));
    until("some tiles are accepted", || (a.job().cells_accepted > 0).then_some(()));
    a.kill();
    a.start();
    // The client waits for the daemon to come back.
    client.ended(SOON).with_code(0);
    scene.is_in("out.png");
}

#[test]
fn a_client_that_is_interrupted_says_how_to_come_back_and_wait_does() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 1).up();
    let mut client = a.start_outlast(&words(&["run"], &gate.sweep(3)));
    gate.runs_at(&a, 1);
    client.signal(Signal::SIGINT);
    let said = client.ended(SOON).with_code(130);
    let wait = format!("outlast wait {}", a.job().id);
    assert!(said.stderr.contains(&wait), "{}", said.stderr);
    assert_eq!(a.job().state, JobState::Running);
    let mut client = a.start_outlast(&["wait", &a.job().id]);
    gate.open();
    client.ended(SOON).with_code(0);
    assert_eq!(twice(&gate), [0u32; 0]);
}

#[test]
fn a_second_interrupt_cancels_the_job_and_its_programs() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 0).up();
    let b = Node::new(&world, "b", 1).join(&a).up();
    a.knows(2);
    let mut client = a.start_outlast(&words(&["run"], &gate.sweep(3)));
    gate.runs_at(&b, 1);
    client.signal(Signal::SIGINT);
    until("the first one is noticed", || client.stderr().contains("Ctrl-C again").then_some(()));
    client.signal(Signal::SIGINT);
    client.ended(SOON).with_code(130);
    assert_eq!(a.job().state, JobState::Cancelled);
    until("b is free again", || (b.status().busy == 0).then_some(()));
    until("b has nothing left of it", || {
        let left = std::fs::read_dir(b.data_dir().join("work")).ok()?.count();
        (left == 0).then_some(())
    });
    assert!(gate.ended().is_empty());
}

#[test]
fn a_run_without_daemon_that_is_killed_goes_on_with_wait() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let data = world.path("d");
    let mut client = world.start(&data, &words(&["run"], &gate.sweep(4)));
    until("the node in the client has begun", || (!gate.begun().is_empty()).then_some(()));
    let first = gate.begun()[0].0;
    gate.open_for(first);
    until("its first answer is accepted", || {
        client.stderr().contains("1 of 4 cells").then_some(())
    });
    client.kill();
    let jobs: Vec<outlast_api::types::JobSummary> =
        world.outlast(&data, &["ps", "--json"]).with_code(0).json();
    assert_eq!((jobs.len(), jobs[0].cells_accepted), (1, 1));
    gate.open();
    world.outlast(&data, &["wait", &jobs[0].id]).with_code(0);
    let times = gate.begun().iter().filter(|(run, _)| *run == first).count();
    assert_eq!(times, 1, "an accepted run is computed again");
    assert_eq!(world.read("sweep-results/manifest.csv").lines().count(), 5);
}
