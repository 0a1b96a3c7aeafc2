//! Many programs, several at a time, with something done to each between `ready` and `go`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::list::{self, Program};
use crate::run::{Run, Verdict};

/// Programs whose name contains what the environment variable `OUTLAST_PROGRAM` says; all of them without it.
///
/// # Panics
/// If there is none.
pub fn chosen() -> Vec<Program> {
    let part = std::env::var("OUTLAST_PROGRAM").unwrap_or_default();
    let programs: Vec<_> = list::all().into_iter().filter(|one| one.name.contains(&part)).collect();
    assert!(!programs.is_empty(), "no program's name contains {part:?}");
    programs
}

/// Runs a program; between `ready` and `go`, `disturb` does what it likes to it, or says why it couldn't.
pub fn run(program: &Program, disturb: impl Fn(&mut Run) -> Result<(), String>) -> Verdict {
    let mut run = Run::start(program);
    if let Err(verdict) = run.until_ready() {
        return verdict;
    }
    if let Err(why) = disturb(&mut run) {
        return Verdict::Failed(why);
    }
    run.go();
    run.verdict()
}

/// Runs all of `programs`, `at_once` at a time; in the order of their names, how each ended.
///
/// # Panics
/// If `disturb` does.
pub fn run_all(
    programs: &[Program],
    at_once: usize,
    disturb: impl Fn(&Program, &mut Run) -> Result<(), String> + Sync,
) -> Vec<(Program, Verdict)> {
    let next = AtomicUsize::new(0);
    let ended = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = run(program, |run| disturb(program, run));
                    ended.lock().expect("not held in a panic").push((program.clone(), verdict));
                }
            });
        }
    });
    let mut ended = ended.into_inner().expect("not held in a panic");
    ended.sort_by(|a, b| a.0.cmp(&b.0));
    ended
}

/// Prints what was skipped, and fails the test with all that failed.
///
/// # Panics
/// If one of them failed.
#[expect(clippy::print_stderr, reason = "that is where people look for it")]
pub fn all_passed(ended: &[(Program, Verdict)]) {
    let mut failed = Vec::new();
    for (program, verdict) in ended {
        match verdict {
            Verdict::Passed => {}
            Verdict::Skipped(why) => eprintln!("SKIPPED: {}: {why}", program.name),
            Verdict::Failed(why) => failed.push(format!("{}: {why}", program.name)),
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), ended.len(), failed.join("\n"));
}
