//! Comparators of the user's, with real nodes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use outlast_tests::{Node, World};

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
