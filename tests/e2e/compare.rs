//! Comparators of the user's, with real nodes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use outlast_tests::{Node, SOON, World, until};

/// A submitter that doesn't work, and two workers.
fn three(world: &World) -> (Node<'_>, [Node<'_>; 2]) {
    let a = Node::new(world, "a", 0).up();
    let b = Node::new(world, "b", 1).join(&a).up();
    let c = Node::new(world, "c", 1).join(&a).up();
    a.knows(3);
    (a, [b, c])
}

fn script(world: &World, name: &str, text: &str) {
    let path = world.write(name, &format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn numbers_that_differ_a_little_from_run_to_run_agree_within_a_tolerance() {
    let world = World::new();
    let (a, _workers) = three(&world);
    // The number of its process is in the sixth digit.
    script(&world, "noise.sh", "printf '%d.%06d\\n' \"$1\" $(($$ % 1000))");
    let sweep = "run --replication 2 --samples 0 --compare numbers:abs=0.01 -o out \
                 --param x=0..3 -- ./noise.sh {x}";
    a.outlast(&sweep.split_whitespace().collect::<Vec<_>>()).with_code(0);
    let job = a.show();
    assert_eq!((job.summary.cells_accepted, job.wrong.len()), (4, 0), "{job:?}");
    assert!(job.workers.iter().all(|worker| worker.wrong == 0), "{:?}", job.workers);
}

#[test]
fn a_comparator_that_crashes_ends_the_job_with_advice_and_blames_nobody() {
    let world = World::new();
    let (a, _workers) = three(&world);
    script(&world, "crash.sh", "kill -SEGV $$");
    let sweep = "run --replication 2 --samples 0 --compare command:./crash.sh -o out \
                 --param x=0..1 -- echo {x}";
    let said = a.outlast(&sweep.split_whitespace().collect::<Vec<_>>()).with_code(1);
    for part in ["can't be compared", "crash.sh", "exit code 139", "try it by hand"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    let job = a.show();
    assert_eq!((job.summary.cells_accepted, job.wrong.len()), (0, 0), "{job:?}");
    assert!(job.workers.iter().all(|worker| worker.out.is_none()), "{:?}", job.workers);
    assert!(!world.job_folder().join("out").exists());
}

#[test]
fn a_comparator_that_takes_its_time_holds_up_its_own_job_alone() {
    let world = World::new();
    let (a, _workers) = three(&world);
    let open = world.path("open");
    let text =
        format!("touch '{0}.begun'; while ! [ -e '{0}' ]; do sleep 0.05; done", open.display());
    script(&world, "slow.sh", &text);
    let slow = "run --replication 2 --samples 0 --compare command:./slow.sh -o slow --param x=0..1 \
                -- echo {x}";
    let mut slow = a.start_outlast(&slow.split_whitespace().collect::<Vec<_>>());
    until("it compares", || world.path("open.begun").exists().then_some(()));
    let quick = "run --replication 2 --samples 0 -o quick --param x=0..3 -- echo {x}";
    a.outlast(&quick.split_whitespace().collect::<Vec<_>>()).with_code(0);
    assert!(!slow.has_ended(), "the gate is closed");
    fs::write(&open, "").unwrap();
    slow.ended(SOON).with_code(0);
}

#[test]
fn with_layers_a_story_of_a_gridlet_that_is_not_there_says_how_many_there_are() {
    let world = World::new();
    let (a, _workers) = three(&world);
    let sweep = "run --verify overlapped --replication 2 --samples 0 --gridlets 2 -o out --param x=0..7 \
                 -- echo {x}";
    a.outlast(&sweep.split_whitespace().collect::<Vec<_>>()).with_code(0);
    let id = a.job().id;
    // Two of the first layer, three of the second, which is shifted.
    a.outlast(&["show", &id, "--why", "4"]).with_code(0);
    let said = a.outlast(&["show", &id, "--why", "5"]);
    assert!(said.stderr.contains("no gridlet 5, expected 0 to 4"), "{}", said.stderr);
}
