//! Checkpoints and restores whose process is killed at random moments, by what nobody can handle.
//!
//! `OUTLAST_KILLS` says how many, `OUTLAST_SEED` which.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{After, CheckpointOptions, Pids, RestoreOptions, checkpoint, restore};
use outlast_programs::named;

use crate::support::{
    Dice, Helper, alone, asked, begin, dumped, eventually, looks, looks_as, number, passes, ready,
    restored,
};

/// Programs whose own looks stay as they are while they wait. Not among them: those that tell a call which answers
/// `EINTR` because of a stop. It is begun again as soon as the stop is seen; if the tracer dies before that, nobody is left who could.
const PROGRAMS: [&str; 7] = [
    "terminals/pair",
    "tree/children_of_threads",
    "tree/pipes",
    "time/posix_timers",
    "cpu/registers",
    "blocked/futex",
    "signals/masks",
];

fn options(after_word: &str) -> CheckpointOptions {
    let after = if after_word == "kill" { After::Kill } else { After::LeaveRunning };
    let fork_from = if after_word == "fork" { 1 } else { u64::MAX };
    CheckpointOptions { after, fork_from, ..Default::default() }
}

/// In a helper: a checkpoint.
fn take(words: &[String]) {
    let pid = words[0].parse().expect("a number");
    begin();
    let options = options(&words[2]);
    let report = checkpoint(pid, Path::new(&words[1]), &options, &|_, _| {}).expect("it works");
    let forked = report.phases.iter().any(|(name, _)| *name == "reap");
    assert_eq!(forked, options.fork_from == 1, "{:?}", report.phases);
}

/// Waits without sleeping: it is about microseconds.
fn pass_time(from: Instant, time: Duration) {
    while from.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn a_target_whose_tracer_was_killed_runs_on_as_if_nothing_had_happened() {
    const SELF: &str =
        "killed::a_target_whose_tracer_was_killed_runs_on_as_if_nothing_had_happened";
    if let Some(words) = asked() {
        return take(&words);
    }
    let _alone = alone();
    let kills = number("OUTLAST_KILLS", 48);
    let mut dice = Dice(number("OUTLAST_SEED", 1));
    for name in PROGRAMS {
        let Some(run) = ready(&named(name)) else { continue };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let image = folder.path().join("image");
        let pid = run.pid().to_string();
        let before = looks(&run);
        let start = |how: &str| {
            let words = [pid.as_str(), image.to_str().expect("a usual name"), how];
            let mut helper = Helper::start(SELF, &words, folder.path());
            helper.begun();
            (helper, Instant::now())
        };
        let (mut whole, begun) = start("fork");
        let (worked, said) = whole.ended();
        assert!(worked, "{name}: {said}");
        let whole_us = u64::try_from(begun.elapsed().as_micros()).expect("short");
        for nth in 0..kills.div_ceil(PROGRAMS.len() as u64) {
            let (mut helper, begun) = start(if nth % 2 == 0 { "leave" } else { "fork" });
            let after = Duration::from_micros(dice.below(whole_us));
            pass_time(begun, after);
            helper.kill();
            let when = format!("{name}: killed after {after:?}, the {nth}th time");
            let gone = eventually(|| helper.family().is_empty());
            assert!(gone, "{when}: left: {:?}", helper.family());
            looks_as(&run, &before, &when);
            for entry in fs::read_dir(folder.path()).expect("the folder is ours").flatten() {
                // What a killed writer leaves is a hidden part of an image, never one.
                let name = entry.file_name();
                assert!(name == "image" || name.to_string_lossy().ends_with(".part"), "{name:?}");
            }
        }
        passes(run, name);
    }
}

#[test]
fn a_tree_whose_end_was_begun_ends_although_the_tracer_was_killed() {
    const SELF: &str = "killed::a_tree_whose_end_was_begun_ends_although_the_tracer_was_killed";
    if let Some(words) = asked() {
        return take(&words);
    }
    let _alone = alone();
    let mut dice = Dice(number("OUTLAST_SEED", 2));
    let mut whole_us = 8_000;
    for nth in 0..number("OUTLAST_KILLS", 12) {
        let mut run = ready(&named("tree/wide")).expect("it needs nothing");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let image = folder.path().join("image");
        let pid = run.pid().to_string();
        let before = looks(&run);
        let words = [pid.as_str(), image.to_str().expect("a usual name"), "kill"];
        let mut helper = Helper::start(SELF, &words, folder.path());
        helper.begun();
        let begun = Instant::now();
        if nth == 0 {
            let (worked, said) = helper.ended();
            assert!(worked, "{said}");
            whole_us = u64::try_from(begun.elapsed().as_micros()).expect("short");
        } else {
            // The end is what this is about.
            let after = Duration::from_micros(whole_us * 2 / 3 + dice.below(whole_us / 2));
            pass_time(begun, after);
            helper.kill();
        }
        let gone = eventually(|| helper.family().is_empty());
        assert!(gone, "left: {:?}", helper.family());
        let settled = eventually(|| {
            let now = looks(&run);
            // A child that ended before its parent waits for it as a zombie, which has no mappings any more.
            now == before || now.is_empty()
        });
        assert!(settled, "half a tree is left: {:?} of {:?}", looks(&run).keys(), before.keys());
        if looks(&run).is_empty() {
            let dead = run.pid();
            run.replaced_by(dead);
            let options = RestoreOptions::default();
            let tree = restored(&image, &options)
                .unwrap_or_else(|error| panic!("{nth}th time: {error}; {}", run.stderr()));
            run.replaced_by(tree.pid);
        }
        passes(run, "tree/wide");
    }
}

#[test]
fn a_watchdog_that_was_killed_is_not_missed_by_a_checkpoint_that_works() {
    const SELF: &str =
        "killed::a_watchdog_that_was_killed_is_not_missed_by_a_checkpoint_that_works";
    if let Some(words) = asked() {
        let pid = words[0].parse().expect("a number");
        let first = std::sync::Once::new();
        let progress = |_, _| {
            first.call_once(|| {
                let own = std::process::id();
                let children = fs::read_dir(format!("/proc/{own}/task")).expect("our threads");
                for task in children.flatten() {
                    let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                    for child in text.split_ascii_whitespace() {
                        let child = Pid::from_raw(child.parse().expect("a number"));
                        kill(child, Signal::SIGKILL).expect("it is ours");
                        begin();
                    }
                }
            });
        };
        checkpoint(pid, Path::new(&words[1]), &options("leave"), &progress).expect("it works");
        return;
    }
    let _alone = alone();
    let run = ready(&named("memory/anonymous")).expect("it needs nothing");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let before = looks(&run);
    let pid = run.pid().to_string();
    let words = [pid.as_str(), image.to_str().expect("a usual name")];
    let mut helper = Helper::start(SELF, &words, folder.path());
    helper.begun();
    let (worked, said) = helper.ended();
    assert!(worked, "{said}");
    looks_as(&run, &before, "without a watchdog");
    passes(run, "without a watchdog");
}

#[test]
fn a_restore_that_was_killed_leaves_nothing() {
    const SELF: &str = "killed::a_restore_that_was_killed_leaves_nothing";
    if let Some(words) = asked() {
        let pids = if words[1] == "same" { Pids::Same } else { Pids::New };
        let options = RestoreOptions { pids, ..RestoreOptions::default() };
        begin();
        restore(Path::new(&words[0]), &options).expect("it works");
        return;
    }
    let _alone = alone();
    let kills = number("OUTLAST_KILLS", 48);
    let mut dice = Dice(number("OUTLAST_SEED", 3));
    let programs = ["tree/threads_200", "tree/pipes", "files/pipe_content", "sockets/fresh"];
    for name in programs {
        for pids in ["new", "same"] {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let image = folder.path().join("image");
            let Some(mut run) = dumped(name, &image, &CheckpointOptions::default()) else {
                continue;
            };
            let words = [image.to_str().expect("a usual name"), pids];
            // Whole trees live on without the one that restored them.
            let processes = {
                let tree = restored(&image, &RestoreOptions::default()).expect("it works");
                let count = run.processes().len();
                crate::support::end(&tree);
                count
            };
            assert!(eventually(|| run.processes().is_empty()), "{name}: they were killed");
            let mut whole_us = 0;
            for nth in 0..kills.div_ceil(6) {
                let mut helper = Helper::start(SELF, &words, folder.path());
                helper.begun();
                let begun = Instant::now();
                if nth == 0 {
                    let (worked, said) = helper.ended();
                    assert!(worked, "{name}: {said}");
                    whole_us = u64::try_from(begun.elapsed().as_micros()).expect("short");
                } else {
                    let after = Duration::from_micros(dice.below(whole_us));
                    pass_time(begun, after);
                    helper.kill();
                }
                let settled = eventually(|| {
                    let there = run.processes();
                    let of_engine = helper
                        .family()
                        .into_iter()
                        .filter(|pid| !there.contains(pid) && there.is_empty())
                        .collect::<Vec<_>>();
                    of_engine.is_empty() && (there.is_empty() || there.len() == processes)
                });
                let left = (run.processes(), helper.family());
                assert!(settled, "{name}, {pids} ids, {nth}th time: left: {left:?}");
                for pid in left.0 {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
                let gone = eventually(|| run.processes().is_empty() && helper.family().is_empty());
                assert!(gone, "{name}: {:?} {:?}", run.processes(), helper.family());
            }
            let options = RestoreOptions::default();
            let tree = restored(&image, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
            run.replaced_by(tree.pid);
            passes(run, name);
            if let Some(init) = tree.init {
                let _ = waitpid(Pid::from_raw(init), None);
            }
        }
    }
}
