//! Thousands of tasks that do nothing: what a task costs besides itself.

use std::path::Path;
use std::process::Command;

use super::Options;
use super::hyperqueue::HyperQueue;
use super::lab::{Contender, Lab, compete, has, largest, seconds, smallest};

const TASKS: u32 = 5_000;
const QUICK: u32 = 100;

/// Runs at a time, for everybody.
const SLOTS: u32 = 2;

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    let tasks = if options.quick { QUICK } else { TASKS };
    let cwd = lab.fresh()?;
    let last = tasks.to_string();
    let at_a_time = SLOTS.to_string();
    let daemon = lab.up(SLOTS, None)?;
    let data_dir = daemon.data_dir.clone();
    let mut contenders = Vec::new();
    let mut skipped = Vec::new();

    contenders.push(Contender::new("outlast run, embedded node, 2 slots", || {
        seconds(&mut sweep(lab, &lab.data_dir(SLOTS)?, &lab.fresh()?, tasks))
    }));
    contenders.push(Contender::new("outlast run, daemon with 2 slots", || {
        seconds(&mut sweep(lab, &data_dir, &lab.fresh()?, tasks))
    }));
    match HyperQueue::get(lab) {
        Ok(queue) => contenders.push(Contender::new(HyperQueue::name(), move || {
            queue.seconds(tasks, SLOTS, &lab.fresh()?)
        })),
        Err(why) => skipped.push(format!("HyperQueue: {why}")),
    }
    if has("parallel") {
        contenders.push(Contender::new("GNU parallel -j2", || {
            let mut command = Command::new("parallel");
            // It reads its list of citations from HOME, and talks about it once.
            command.env("HOME", &cwd).args([
                "--will-cite",
                "-j",
                &at_a_time,
                "/bin/true",
                "{}",
                ":::",
            ]);
            seconds(command.args((1..=tasks).map(|number| number.to_string())))
        }));
    } else {
        skipped.push("GNU parallel: not installed".to_owned());
    }
    contenders.push(Contender::new("xargs -P2 -n1", || {
        let line = format!("seq {last} | xargs -P{at_a_time} -n1 /bin/true");
        seconds(Command::new("sh").args(["-c", &line]))
    }));

    compete(&mut contenders, options.runs)?;
    println!(
        "{tasks} runs of `/bin/true NUMBER`, {SLOTS} at a time, verification: one answer each, no samples.\n"
    );
    println!("| what | tasks/s, median | lowest | highest |");
    println!("| --- | ---: | ---: | ---: |");
    for contender in &contenders {
        let rate = |seconds: f64| f64::from(tasks) / seconds;
        println!(
            "| {} | {:.0} | {:.0} | {:.0} |",
            contender.name,
            rate(contender.median()),
            rate(largest(&contender.seconds)),
            rate(smallest(&contender.seconds)),
        );
    }
    for why in skipped {
        println!("\nSKIPPED {why}");
    }
    Ok(())
}

/// So many runs of nothing.
fn sweep(lab: &Lab, data_dir: &Path, cwd: &Path, tasks: u32) -> Command {
    let mut command = lab.outlast(data_dir, cwd);
    command.args(["run", "--replication", "1", "--samples", "0"]);
    command.args(["--param", &format!("i=1..{tasks}"), "--", "/bin/true", "{i}"]);
    command
}
