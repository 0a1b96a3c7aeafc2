//! Random cycles over all test programs: checkpoints that kill or don't, restores with the same ids or in a new namespace.
//!
//! `OUTLAST_CYCLES_TOTAL` says how many, `OUTLAST_SEED` which.

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{After, CheckpointOptions, Compression, Pids, RestoreOptions, checkpoint};
use outlast_programs::{Program, Run, Verdict, all, compile};

use crate::support::{Dice, alone, no_helper_is_left, number, restored};

/// A few cycles of one program; how many.
fn some(program: &Program, dice: &mut Dice, done: &mut Vec<String>) -> Verdict {
    let mut run = Run::start(program);
    if let Err(verdict) = run.until_ready() {
        return verdict;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let mut init = None;
    for _ in 0..=dice.below(3) {
        let compression = if dice.below(3) == 0 { Compression::Zstd(1) } else { Compression::None };
        let kills = dice.below(3) > 0;
        let after = if kills { After::Kill } else { After::LeaveRunning };
        // Ids that were given out in a namespace of its own may be others' here.
        let same = program.has("same-pids") || dice.below(2) == 0 && init.is_none();
        let pids = if same { Pids::Same } else { Pids::New };
        done.push(format!("{after:?} {compression:?} {pids:?}"));
        let options = CheckpointOptions { after, compression, ..Default::default() };
        if let Err(error) = checkpoint(run.pid(), &image, &options, &|_, _| {}) {
            return Verdict::Failed(format!("checkpoint: {error}"));
        }
        if !kills {
            continue;
        }
        let killed = run.pid();
        run.replaced_by(killed);
        let _ = waitpid(Pid::from_raw(killed), None);
        if let Some(init) = init.take() {
            let _ = waitpid(Pid::from_raw(init), None);
        }
        let options = RestoreOptions { pids, ..RestoreOptions::default() };
        match restored(&image, &options) {
            Ok(tree) => {
                run.replaced_by(tree.pid);
                init = tree.init;
            }
            Err(error) => return Verdict::Failed(format!("restore: {error}")),
        }
    }
    run.go();
    let verdict = run.verdict();
    let _ = waitpid(Pid::from_raw(run.pid()), None);
    if let Some(init) = init.take() {
        let _ = waitpid(Pid::from_raw(init), None);
    }
    verdict
}

#[test]
fn random_cycles_change_nothing() {
    let _alone = alone();
    let total = number("OUTLAST_CYCLES_TOTAL", 40);
    let mut dice = Dice(number("OUTLAST_SEED", 5));
    let mut programs = all();
    // A program that ran on after an image may have lost something for the next one.
    let out = ["hard", "slow", "once"];
    programs.retain(|one| one.refused().is_none() && !out.iter().any(|tag| one.has(tag)));
    let mut cycles = 0;
    let mut failed = Vec::new();
    while cycles < total {
        let nth = usize::try_from(dice.below(programs.len() as u64)).expect("a few hundred");
        let program = &programs[nth];
        compile::compile_all(std::slice::from_ref(program)).unwrap_or_else(|why| panic!("{why}"));
        let mut done = Vec::new();
        match some(program, &mut dice, &mut done) {
            Verdict::Passed => {}
            // It will be so the next time too.
            Verdict::Skipped(_) => cycles += 1,
            Verdict::Failed(why) => {
                let why = format!("{} after {done:?}: {why}", program.name);
                if total > 100 {
                    eprintln!("FAILED: {why}");
                }
                failed.push(why);
            }
        }
        no_helper_is_left(&program.name);
        cycles += done.len() as u64;
    }
    assert!(failed.is_empty(), "{} in {cycles} cycles:\n{}", failed.len(), failed.join("\n"));
}
