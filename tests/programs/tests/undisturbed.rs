//! Every test program passes when nobody disturbs it: what fails later, fails because of the checkpoint.
//!
//! `OUTLAST_PROGRAM=files/` runs only those whose name contains that.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use outlast_programs::{Program, Run, Verdict, all, compile};

/// At a time: most of them wait most of the time.
const AT_ONCE: usize = 6;

/// What is worth a word: nobody wants to wait for it in each of thousands of cycles.
const LONG: Duration = Duration::from_secs(5);

fn chosen() -> Vec<Program> {
    let part = std::env::var("OUTLAST_PROGRAM").unwrap_or_default();
    let programs: Vec<_> = all().into_iter().filter(|one| one.name.contains(&part)).collect();
    assert!(!programs.is_empty(), "no program's name contains {part:?}");
    programs
}

fn undisturbed(program: &Program) -> Verdict {
    let mut run = Run::start(program);
    if let Err(verdict) = run.until_ready() {
        return verdict;
    }
    run.go();
    run.verdict()
}

#[test]
fn every_program_passes_undisturbed() {
    let programs = chosen();
    compile::compile_all(&programs).unwrap_or_else(|wrong| panic!("{wrong}"));
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let verdict = undisturbed(program);
                    if start.elapsed() > LONG {
                        eprintln!("{} took {} s", program.name, start.elapsed().as_secs());
                    }
                    match verdict {
                        Verdict::Passed => {}
                        Verdict::Skipped(why) => eprintln!("SKIPPED: {}: {why}", program.name),
                        Verdict::Failed(why) => failed
                            .lock()
                            .expect("no thread panics with it")
                            .push(format!("{}: {why}", program.name)),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panics with it");
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), programs.len(), failed.join("\n"));
}
