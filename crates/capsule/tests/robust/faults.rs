//! A failure after each phase.

use std::fs;

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{
    After, CheckpointError, CheckpointOptions, FaultPoint, Pids, RestoreError, RestoreOptions,
    checkpoint,
};
use outlast_programs::named;

use crate::support::{
    alone, dumped, holds_only, looks, looks_as, no_helper_is_left, passes, ready, restored,
};

/// Threads, a tree, timers, files, sockets, processors.
const PROGRAMS: [&str; 9] = [
    "tree/threads_200",
    "tree/pipes",
    "time/posix_timers",
    "files/pipe_content",
    "sockets/accepted",
    "sockets/passed",
    "cpu/registers",
    "blocked/no_eintr",
    "combined/everything",
];

#[test]
fn a_checkpoint_that_fails_anywhere_leaves_the_target_as_it_was() {
    let _alone = alone();
    for name in PROGRAMS {
        let program = named(name);
        let Some(run) = ready(&program) else { continue };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let image = folder.path().join("image");
        let before = looks(&run);
        for point in FaultPoint::CHECKPOINTING {
            let ways = [(After::Kill, u64::MAX), (After::LeaveRunning, u64::MAX)];
            for (after, fork_from) in ways.into_iter().chain([(After::LeaveRunning, 1)]) {
                // Each of them is on the way of one kind alone.
                if point == FaultPoint::Thawed && after == After::Kill
                    || point == FaultPoint::Written && after == After::LeaveRunning
                {
                    continue;
                }
                let when = format!("{name}, after {point:?}, to {after:?}, forks from {fork_from}");
                let fail_after = Some(point);
                let options =
                    CheckpointOptions { after, fork_from, fail_after, ..Default::default() };
                let error = checkpoint(run.pid(), &image, &options, &|_, _| {})
                    .expect_err("it fails on purpose");
                assert!(
                    matches!(error, CheckpointError::OnPurpose(at) if at == point),
                    "{when}: {error}"
                );
                no_helper_is_left(&when);
                looks_as(&run, &before, &when);
                let names: &[&str] = if point == FaultPoint::Written { &["image"] } else { &[] };
                holds_only(folder.path(), names, &when);
                let _ = fs::remove_file(&image);
            }
        }
        // And nothing of all that stands in the way of one that works.
        let options = CheckpointOptions { after: After::LeaveRunning, ..Default::default() };
        checkpoint(run.pid(), &image, &options, &|_, _| {})
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        passes(run, name);
    }
}

#[test]
fn a_checkpoint_that_fails_leaves_an_older_image_as_it_was() {
    let _alone = alone();
    let run = ready(&named("memory/anonymous")).expect("it needs nothing");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let leave = CheckpointOptions { after: After::LeaveRunning, ..Default::default() };
    checkpoint(run.pid(), &image, &leave, &|_, _| {}).expect("it can be checkpointed");
    let old = fs::read(&image).expect("it was written");
    for point in FaultPoint::CHECKPOINTING {
        if point == FaultPoint::Written {
            continue;
        }
        let options = CheckpointOptions { fail_after: Some(point), ..leave };
        checkpoint(run.pid(), &image, &options, &|_, _| {}).expect_err("it fails on purpose");
        assert!(fs::read(&image).expect("it is there") == old, "{point:?}");
        holds_only(folder.path(), &["image"], &format!("{point:?}"));
    }
    passes(run, "afterwards");
}

#[test]
fn a_restore_that_fails_anywhere_leaves_nothing() {
    let _alone = alone();
    for name in PROGRAMS {
        for pids in [Pids::New, Pids::Same] {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let image = folder.path().join("image");
            let Some(mut run) = dumped(name, &image, &CheckpointOptions::default()) else {
                continue;
            };
            for point in FaultPoint::RESTORING {
                let when = format!("{name}, after {point:?}, {pids:?} ids");
                let options =
                    RestoreOptions { pids, fail_after: Some(point), ..RestoreOptions::default() };
                // What the one before had is another's zombie for a moment.
                match restored(&image, &options) {
                    Err(RestoreError::OnPurpose(at)) if at == point => {}
                    Err(error) => panic!("{when}: {error}"),
                    Ok(_) => panic!("{when}: it was restored"),
                }
                no_helper_is_left(&when);
                assert_eq!(run.processes(), [0; 0], "{when}: processes of the tree");
                holds_only(folder.path(), &["image"], &when);
            }
            let options = RestoreOptions { pids, ..RestoreOptions::default() };
            let tree = restored(&image, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
            run.replaced_by(tree.pid);
            passes(run, name);
            if let Some(init) = tree.init {
                let _ = waitpid(Pid::from_raw(init), None);
            }
        }
    }
}
