//! Every test program is checkpointed, killed and restored, and then finds everything as it was.
//!
//! `OUTLAST_CYCLES=3` does each so often; `outlast_programs::batch` says which variables choose programs.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{
    After, CheckpointError, CheckpointOptions, Pids, RestoreError, RestoreOptions, checkpoint,
    restore,
};
use outlast_programs::{Program, Run, Verdict, batch};

/// At a time: most of them wait most of the time.
const AT_ONCE: usize = 3;

/// Between two tries of what others stand in the way of for a moment.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// For what a busy machine stands in the way of.
const SOON: Duration = Duration::from_secs(30);

/// A checkpoint, again for a while as long as a program is in the middle of starting another: on a busy machine that may
/// take longer than the engine waits.
fn taken(run: &Run, image: &Path, options: &CheckpointOptions) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match checkpoint(run.pid(), image, options, &|_, _| {}) {
            Ok(_) => return Ok(()),
            Err(CheckpointError::Stuck { .. }) if start.elapsed() < SOON => {}
            Err(error) => return Err(format!("checkpoint: {error}")),
        }
    }
}

/// One cycle: `Err` says what went wrong.
fn cycle(program: &Program, run: &mut Run, image: &Path, pids: Pids) -> Result<(), String> {
    taken(run, image, &CheckpointOptions::default())?;
    restored(program, run, image, pids)
}

/// Restores what was killed.
fn restored(program: &Program, run: &mut Run, image: &Path, pids: Pids) -> Result<(), String> {
    let killed = run.pid();
    run.replaced_by(killed);
    // After a restore it is a child of ours; the first one is reaped by the harness.
    let _ = waitpid(Pid::from_raw(killed), None);
    let pids = if program.has("same-pids") { Pids::Same } else { pids };
    let start = Instant::now();
    loop {
        let options = RestoreOptions { pids, ..RestoreOptions::default() };
        match restore(image, &options) {
            Ok(restored) => {
                run.replaced_by(restored.pid);
                return Ok(());
            }
            // Another process of this busy machine has the id, or the terminal, for a moment.
            Err(RestoreError::Taken(_) | RestoreError::TerminalTaken(_))
                if start.elapsed() < SOON =>
            {
                std::thread::sleep(TRY_EVERY);
            }
            Err(error) => return Err(format!("restore: {error}")),
        }
    }
}

fn disturbed(program: &Program, cycles: usize, pids: Pids) -> Verdict {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    batch::run(program, |run| (0..cycles).try_for_each(|_| cycle(program, run, &image, pids)))
}

fn left_running(program: &Program) -> Verdict {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    batch::run(program, |run| {
        (0..cycles(3)).try_for_each(|nth| taken(run, &image, &running_on(nth % 3 == 1)))
    })
}

/// The program runs on; its memory is read from it, or from a fork.
fn running_on(forked: bool) -> CheckpointOptions {
    let fork_from = if forked { 1 } else { u64::MAX };
    CheckpointOptions { after: After::LeaveRunning, fork_from, ..CheckpointOptions::default() }
}

/// Its memory comes from a fork, and it is killed at once.
fn forked(program: &Program) -> Verdict {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    batch::run(program, |run| {
        taken(run, &image, &running_on(true))?;
        let pids = run.processes();
        for pid in &pids {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        restored(program, run, &image, Pids::New)
    })
}

fn refused(program: &Program, word: &str) -> Verdict {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    batch::run(program, |run| {
        match checkpoint(run.pid(), &image, &CheckpointOptions::default(), &|_, _| {}) {
            Ok(_) => Err("it was not refused".to_owned()),
            Err(
                error @ (CheckpointError::Refused(_)
                | CheckpointError::Denied { .. }
                | CheckpointError::Stuck { .. }),
            ) => {
                let text = error.to_string();
                let said = text.to_lowercase().contains(&word.to_lowercase());
                if !said {
                    Err(format!("refused without saying `{word}`: {text}"))
                } else if image.exists() {
                    Err("an image was left".to_owned())
                } else {
                    Ok(())
                }
            }
            Err(error) => Err(format!("not a refusal: {error}")),
        }
    })
}

/// Those that were chosen, without what belongs to the core no more, or takes long.
fn chosen(wanted: impl Fn(&Program) -> bool) -> Vec<Program> {
    let mut programs = batch::chosen(|one| !one.has("hard") && !one.has("slow"));
    programs.retain(wanted);
    programs
}

fn carried(judge: impl Fn(&Program) -> Verdict + Sync) {
    batch::all_pass(&chosen(|one| one.refused().is_none()), AT_ONCE, judge);
}

fn cycles(otherwise: usize) -> usize {
    std::env::var("OUTLAST_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn every_program_is_restored_in_a_new_pid_namespace() {
    carried(|program| disturbed(program, cycles(1), Pids::New));
}

#[test]
fn every_program_is_restored_twice_in_a_row() {
    carried(|program| disturbed(program, cycles(2), Pids::New));
}

#[test]
fn every_program_is_restored_with_the_same_ids() {
    carried(|program| disturbed(program, cycles(1), Pids::Same));
}

#[test]
fn a_program_that_is_left_running_notices_nothing() {
    carried(left_running);
}

#[test]
fn memory_that_a_fork_kept_is_restored() {
    let programs = chosen(|one| one.refused().is_none() && one.category() == "memory");
    batch::all_pass(&programs, AT_ONCE, forked);
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    batch::all_pass(&chosen(|one| one.refused().is_some()), AT_ONCE, |program| {
        refused(program, program.refused().expect("only those were chosen"))
    });
}
