//! Many programs, several at a time.
//!
//! `OUTLAST_PROGRAM=files/` chooses those whose name contains that; `OUTLAST_AT_ONCE=6` says how many run at a time;
//! `OUTLAST_VERBOSE=1` tells when each begins and ends, and how long it took.

#![expect(clippy::print_stderr, reason = "that is where people look for it")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::list::{self, Program};
use crate::run::{Run, Verdict};

/// Of what a program said, so much is repeated in the last lines, which are what is left of a log that was cut.
const SHORT: usize = 240;

/// Programs that were asked for by name, and of all others those that `by_default` takes.
///
/// # Panics
/// If no program has the name that was asked for.
pub fn chosen(by_default: impl Fn(&Program) -> bool) -> Vec<Program> {
    let mut programs = list::all();
    match std::env::var("OUTLAST_PROGRAM") {
        Ok(part) if !part.is_empty() => {
            programs.retain(|one| one.name.contains(&part));
            assert!(!programs.is_empty(), "no program's name contains {part:?}");
        }
        _ => programs.retain(by_default),
    }
    programs
}

/// Runs a program; between `ready` and `go`, `disturb` does what it likes to it, or says why it couldn't.
pub fn run(program: &Program, disturb: impl FnOnce(&mut Run) -> Result<(), String>) -> Verdict {
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

/// Compiles all of `programs`, and lets `judge` run them, `at_once` at a time. Prints which were skipped.
///
/// # Panics
/// If one of them isn't compiled, or failed: the panic's last lines are `failed: NAME: why`, one for each.
pub fn all_pass(programs: &[Program], at_once: usize, judge: impl Fn(&Program) -> Verdict + Sync) {
    crate::compile::compile_all(programs).unwrap_or_else(|wrong| panic!("{wrong}"));
    let asked = std::env::var("OUTLAST_AT_ONCE").ok().and_then(|text| text.parse().ok());
    let verbose = std::env::var_os("OUTLAST_VERBOSE").is_some();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if verbose {
                eprintln!("> {}", program.name);
            }
            let start = Instant::now();
            let verdict = judge(program);
            if verbose {
                eprintln!("< {}, {:.2?}: {verdict}", program.name, start.elapsed());
            }
            match verdict {
                Verdict::Passed => {}
                Verdict::Skipped(why) => eprintln!("SKIPPED: {}: {why}", program.name),
                Verdict::Failed(why) => {
                    failed.lock().expect("not held in a panic").push((program.name.clone(), why));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..asked.unwrap_or(at_once) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().expect("not held in a panic");
    assert!(failed.is_empty(), "{}", told(failed, programs.len()));
}

/// All of what is to be said, then the same again in short lines.
fn told(mut failed: Vec<(String, String)>, of: usize) -> String {
    failed.sort();
    let mut text = format!("{} of {of} programs failed\n", failed.len());
    for (name, why) in &failed {
        text.push_str(&format!("{name}: {why}\n"));
    }
    for (name, why) in &failed {
        let short: String = why.chars().take(SHORT).collect();
        text.push_str(&format!("failed: {name}: {}\n", short.replace('\n', " ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_name_what_failed_whatever_it_said() {
        let long = format!("expected this\nfound {}", "x".repeat(100_000));
        let failed = vec![("b/two".to_owned(), "so".to_owned()), ("a/one".to_owned(), long)];
        let text = told(failed, 7);
        let last: Vec<&str> = text.lines().rev().take(2).collect();
        assert_eq!(last[0], "failed: b/two: so");
        assert!(last[1].starts_with("failed: a/one: expected this found xxx"), "{}", last[1]);
        assert!(last[1].len() < 300);
    }
}
