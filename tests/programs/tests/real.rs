//! Each real program has the same result twice when nobody disturbs it: what differs later, differs because of the checkpoint.
//!
//! Not run by default, as the tests with checkpoints compare with an undisturbed run anyway. After a change of a program:
//! `cargo nextest run -p outlast-programs --test real --run-ignored all`.

#![expect(clippy::print_stderr, reason = "that is where people look for what was skipped")]

use outlast_programs::{Verdict, real};

fn same_twice(name: &str) {
    match real::named(name).through(|_| Ok(())) {
        Verdict::Passed => {}
        Verdict::Skipped(why) => eprintln!("SKIPPED: {name}: {why}"),
        Verdict::Failed(why) => panic!("{why}"),
    }
}

#[test]
#[ignore = "the tests with checkpoints do it too"]
fn povray() {
    same_twice("povray");
}

#[test]
#[ignore = "the tests with checkpoints do it too"]
fn ffmpeg() {
    same_twice("ffmpeg");
}

#[test]
#[ignore = "the tests with checkpoints do it too"]
fn python() {
    same_twice("python");
}

#[test]
#[ignore = "the tests with checkpoints do it too"]
fn make() {
    same_twice("make");
}

#[test]
#[ignore = "the tests with checkpoints do it too"]
fn openssl() {
    same_twice("openssl");
}

#[test]
#[ignore = "the tests with checkpoints do it too"]
fn xz() {
    same_twice("xz");
}

#[test]
#[ignore = "the tests with checkpoints do it too"]
fn pipeline() {
    same_twice("pipeline");
}

#[test]
#[ignore = "the tests with checkpoints do it too"]
fn java() {
    same_twice("java");
}

#[test]
#[ignore = "the tests with checkpoints do it too"]
fn node() {
    same_twice("node");
}
