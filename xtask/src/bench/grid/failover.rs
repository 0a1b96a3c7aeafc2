//! From a worker's SIGKILL to its work running elsewhere.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use anyhow::Context as _;

use super::Options;
use super::lab::{Daemon, Lab, largest, median, smallest, wait_for};

const TRIALS: usize = 11;

/// What happens to the daemon that does the work.
type Fate = fn(&mut Daemon);

const FATES: [(&str, Fate); 2] =
    [("SIGKILL", Daemon::kill), ("silence (SIGSTOP, as if its network were cut)", Daemon::freeze)];

/// How long the killed work sleeps: longer than any failover.
const SLEEP: &str = "30";

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    let trials = if options.quick { 1 } else { TRIALS };
    println!(
        "A submitter and two workers on loopback, default times; seconds over {trials} trials.\n"
    );
    println!("| | median | shortest | longest |\n| --- | ---: | ---: | ---: |");
    for (name, fate) in FATES {
        let mut seconds = Vec::new();
        for trial in 1..=trials {
            // New nodes, so that each trial finds the same grid.
            let submitter = lab.up(0, None)?;
            let ticket = lab.ticket(&submitter)?;
            let mut workers = [lab.up(1, Some(&ticket))?, lab.up(1, Some(&ticket))?];
            lab.wait_for_others(&submitter, 2)?;
            let took = once(lab, &submitter, &mut workers, fate)?;
            eprintln!("{name}, trial {trial}: {took:.2} s");
            seconds.push(took);
        }
        let (low, high) = (smallest(&seconds), largest(&seconds));
        println!("| {name} | {:.2} | {low:.2} | {high:.2} |", median(&seconds));
    }
    Ok(())
}

/// A job of one run that says where it starts; kills the worker there, and waits for the second start.
fn once(
    lab: &Lab,
    submitter: &Daemon,
    workers: &mut [Daemon; 2],
    fate: Fate,
) -> anyhow::Result<f64> {
    let cwd = lab.fresh()?;
    let marks = cwd.join("marks");
    let script = format!("pwd >> {}; exec sleep {SLEEP}", marks.display());
    let started = |times: usize| {
        let text = fs::read_to_string(&marks).unwrap_or_default();
        text.lines().count() >= times
    };
    let mut command = lab.outlast(&submitter.data_dir, &cwd);
    command.args(["submit", "--replication", "1", "--samples", "0", "--", "sh", "-c", &script]);
    let output = command.stdin(Stdio::null()).output()?;
    let job = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    wait_for("the work to start", || started(1))?;
    let place = fs::read_to_string(&marks)?;
    let here = |worker: &&mut Daemon| place.starts_with(&*worker.data_dir.to_string_lossy());
    fate(workers.iter_mut().find(here).context("the work runs at none of the workers")?);
    let killed = Instant::now();
    wait_for("the work to start elsewhere", || started(2))?;
    let took = killed.elapsed().as_secs_f64();
    lab.outlast(&submitter.data_dir, &cwd).args(["cancel", &job]).output()?;
    Ok(took)
}
