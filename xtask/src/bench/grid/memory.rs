//! What a job of a million atoms takes of its submitter.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::Options;
use super::lab::{Lab, median};
use super::scheduling::{build, example};

const ATOMS: u32 = 1_000_000;
const GRIDLETS: u32 = 10_000;
const QUICK: u32 = 100;

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    let less = if options.quick { QUICK } else { 1 };
    let (atoms, gridlets) = (ATOMS / less, GRIDLETS / less);
    build(lab)?;
    println!("One job of {atoms} atoms in {gridlets} gridlets.\n");
    println!("| what | seconds | peak resident MiB | before MiB |");
    println!("| --- | ---: | ---: | ---: |");
    let (mut seconds, mut peak, mut before) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.runs.min(3) {
        let said = example(lab, atoms, gridlets, 1, 1)?;
        let value = |name: &str| said.get(name).copied().with_context(|| format!("no {name}"));
        seconds.push(value("seconds")?);
        peak.push(value("peak_rss_kib")? / 1024.0);
        before.push(value("rss_before_kib")? / 1024.0);
    }
    println!(
        "| state machines of submitter and 1 worker, from start to end | {:.2} | {:.0} | {:.0} |",
        median(&seconds),
        median(&peak),
        median(&before)
    );

    let daemon = lab.up(0, None)?;
    let before = daemon.memory_kib("VmHWM") / 1024;
    let cwd = lab.fresh()?;
    let mut command = lab.outlast(&daemon.data_dir, &cwd);
    command.args(["submit", "--replication", "1", "--samples", "0"]);
    command.args(["--gridlets", &gridlets.to_string(), "--param", &format!("i=1..{atoms}")]);
    command.args(["--", "/bin/true", "{i}"]).stdin(Stdio::null());
    let start = Instant::now();
    let output = command.output()?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let peak = daemon.memory_kib("VmHWM") / 1024;
    println!(
        "| daemon, until the job is accepted (no workers) | {seconds:.2} | {peak} | {before} |"
    );
    Ok(())
}
