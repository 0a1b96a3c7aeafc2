//! Real programs in the middle of their work: checkpointed, killed, restored; their result is that of an undisturbed run.
//!
//! By default the quick ones; `OUTLAST_REAL=all` all, `OUTLAST_REAL=node` one.

use std::time::{Duration, Instant};

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{CheckpointError, CheckpointOptions, RestoreOptions, checkpoint, restore};
use outlast_programs::{Run, real};

/// What stands in the way of others at times: the program is in the middle of starting another.
const PATIENCE: Duration = Duration::from_secs(20);

fn through_a_checkpoint(run: &mut Run) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let start = Instant::now();
    loop {
        match checkpoint(run.pid(), &image, &CheckpointOptions::default(), &|_, _| {}) {
            Ok(_) => break,
            Err(CheckpointError::Stuck { .. }) if start.elapsed() < PATIENCE => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let killed = run.pid();
    run.replaced_by(killed);
    let _ = waitpid(Pid::from_raw(killed), None);
    let tree =
        restore(&image, &RestoreOptions::default()).map_err(|error| format!("restore: {error}"))?;
    run.replaced_by(tree.pid);
    Ok(())
}

#[test]
fn results_are_those_of_an_undisturbed_run() {
    real::all_pass(|program| program.through(through_a_checkpoint));
}
