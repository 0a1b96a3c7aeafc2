//! Every test program is checkpointed, killed and restored, and then finds everything as it was.
//!
//! `OUTLAST_PROGRAM=files/` runs only those whose name contains that; `OUTLAST_CYCLES=3` does each so often.

#![allow(clippy::print_stderr)]

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{
    After, CheckpointError, CheckpointOptions, Pids, RestoreError, RestoreOptions, checkpoint,
    restore,
};
use outlast_programs::{Program, Run, Verdict, all, compile};

/// At a time: most of them wait most of the time.
const AT_ONCE: usize = 3;

fn chosen() -> Vec<Program> {
    let part = std::env::var("OUTLAST_PROGRAM").unwrap_or_default();
    let programs: Vec<_> = all()
        .into_iter()
        .filter(|one| one.name.contains(&part))
        .filter(|one| !part.is_empty() || !one.has("hard") && !one.has("slow"))
        .collect();
    assert!(!programs.is_empty(), "no program's name contains {part:?}");
    programs
}

/// One cycle: `Err` says what went wrong.
fn cycle(program: &Program, run: &mut Run, image: &Path, pids: Pids) -> Result<(), String> {
    let options = CheckpointOptions { after: After::Kill, ..CheckpointOptions::default() };
    checkpoint(run.pid(), image, &options, &|_, _| {}).map_err(|error| error.to_string())?;
    let killed = run.pid();
    run.replaced_by(killed);
    // After a restore it is a child of ours; the first one is reaped by the harness.
    let _ = waitpid(Pid::from_raw(killed), None);
    let pids = if program.has("same-pids") { Pids::Same } else { pids };
    let mut tries = 0;
    loop {
        let options = RestoreOptions { pids, ..RestoreOptions::default() };
        match restore(image, &options) {
            Ok(restored) => {
                run.replaced_by(restored.pid);
                return Ok(());
            }
            // Another process of this busy machine has the id for a moment.
            Err(RestoreError::Taken(_)) if tries < 20 => {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            Err(error) => return Err(format!("restore: {error}")),
        }
    }
}

fn disturbed(program: &Program, cycles: usize, pids: Pids) -> Verdict {
    let mut run = Run::start(program);
    if let Err(verdict) = run.until_ready() {
        return verdict;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    for _ in 0..cycles {
        if let Err(why) = cycle(program, &mut run, &image, pids) {
            return Verdict::Failed(why);
        }
    }
    run.go();
    let verdict = run.verdict();
    let _ = waitpid(Pid::from_raw(run.pid()), None);
    verdict
}

fn left_running(program: &Program) -> Verdict {
    let mut run = Run::start(program);
    if let Err(verdict) = run.until_ready() {
        return verdict;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let options = CheckpointOptions { after: After::LeaveRunning, ..CheckpointOptions::default() };
    for _ in 0..3 {
        let taken = checkpoint(run.pid(), &folder.path().join("image"), &options, &|_, _| {});
        if let Err(error) = taken {
            return Verdict::Failed(error.to_string());
        }
    }
    run.go();
    run.verdict()
}

fn refused(program: &Program, word: &str) -> Verdict {
    let mut run = Run::start(program);
    if let Err(verdict) = run.until_ready() {
        return verdict;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    match checkpoint(run.pid(), &image, &CheckpointOptions::default(), &|_, _| {}) {
        Ok(_) => return Verdict::Failed("it was not refused".to_owned()),
        Err(
            error @ (CheckpointError::Refused(_)
            | CheckpointError::Denied { .. }
            | CheckpointError::Stuck { .. }),
        ) => {
            let text = error.to_string();
            if !text.to_lowercase().contains(&word.to_lowercase()) {
                return Verdict::Failed(format!("refused without saying `{word}`: {text}"));
            }
        }
        Err(error) => return Verdict::Failed(format!("not a refusal: {error}")),
    }
    if image.exists() {
        return Verdict::Failed("an image was left".to_owned());
    }
    run.go();
    run.verdict()
}

fn all_of_them(judge: impl Fn(&Program) -> Option<Verdict> + Sync) {
    let programs = chosen();
    compile::compile_all(&programs).unwrap_or_else(|wrong| panic!("{wrong}"));
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if std::env::var_os("OUTLAST_VERBOSE").is_some() {
                        eprintln!("> {}", program.name);
                    }
                    let verdict = judge(program);
                    if std::env::var_os("OUTLAST_VERBOSE").is_some() {
                        eprintln!("< {}", program.name);
                    }
                    match verdict {
                        None | Some(Verdict::Passed) => {}
                        Some(Verdict::Skipped(why)) => {
                            eprintln!("SKIPPED: {}: {why}", program.name)
                        }
                        Some(Verdict::Failed(why)) => {
                            failed
                                .lock()
                                .expect("no panic")
                                .push(format!("{}: {why}", program.name));
                        }
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("no panic");
    failed.sort();
    assert!(
        failed.is_empty(),
        "{} of {} failed:\n{}",
        failed.len(),
        programs.len(),
        failed.join("\n")
    );
}

fn cycles(otherwise: usize) -> usize {
    std::env::var("OUTLAST_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn every_program_is_restored_in_a_new_pid_namespace() {
    all_of_them(|program| {
        program.refused().is_none().then(|| disturbed(program, cycles(1), Pids::New))
    });
}

#[test]
fn every_program_is_restored_twice_in_a_row() {
    all_of_them(|program| {
        program.refused().is_none().then(|| disturbed(program, cycles(2), Pids::New))
    });
}

#[test]
fn every_program_is_restored_with_the_same_ids() {
    all_of_them(|program| {
        program.refused().is_none().then(|| disturbed(program, cycles(1), Pids::Same))
    });
}

#[test]
fn a_program_that_is_left_running_notices_nothing() {
    all_of_them(|program| program.refused().is_none().then(|| left_running(program)));
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    all_of_them(|program| program.refused().map(|word| refused(program, word)));
}
