//! Gridlets a second through the state machines alone, and what a large job takes of memory there.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::Options;
use super::lab::{self, Lab, median};

/// What `crates/job/examples/scheduling.rs` says: names and values.
pub(super) type Said = BTreeMap<String, f64>;

/// Runs the example once, in a process of its own.
pub(super) fn example(
    lab: &Lab,
    atoms: u32,
    gridlets: u32,
    workers: u32,
    quorum: u32,
) -> anyhow::Result<Said> {
    let program = lab.release.join("examples/scheduling");
    let numbers = [atoms, gridlets, workers, quorum].map(|number| number.to_string());
    let output = Command::new(program).args(numbers).output().context("starting the example")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    Ok(text.lines().filter_map(pair).collect())
}

/// Builds it.
pub(super) fn build(lab: &Lab) -> anyhow::Result<()> {
    lab::cargo(&lab.root, &["build", "--release", "-p", "outlast-job", "--example", "scheduling"])
}

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    build(lab)?;
    let gridlets = if options.quick { 2_000 } else { 50_000 };
    println!(
        "One thread, all of the coordinator's and the workers' thinking, {gridlets} gridlets of one atom.\n"
    );
    println!("| | gridlets/s, median | lowest | highest |");
    println!("| --- | ---: | ---: | ---: |");
    for (workers, quorum, name) in [
        (0, 1, "submitter that works itself"),
        (1, 1, "submitter and 1 worker, frames encoded and decoded"),
        (8, 1, "submitter and 8 workers, frames encoded and decoded"),
        (8, 2, "the same, replication 2"),
    ] {
        let mut rates = Vec::new();
        for _ in 0..options.runs {
            let said = example(lab, gridlets, gridlets, workers, quorum)?;
            rates.push(*said.get("gridlets_per_second").context("no rate in its output")?);
        }
        let (low, high) = (lab::smallest(&rates), lab::largest(&rates));
        println!("| {name} | {:.0} | {low:.0} | {high:.0} |", median(&rates));
    }
    Ok(())
}
