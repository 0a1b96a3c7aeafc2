//! One large file to 1, 2 and 4 nodes.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::Options;
use super::field::Field;
use super::lab::Lab;
use super::rivals::Rival;
use super::transfer::{Took, Way, mib, said, stage};

/// Bytes of the file.
pub(super) const BYTES: u64 = 1 << 30;
pub(super) const QUICK: u64 = 64 << 20;

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    let bytes = if options.quick { QUICK } else { BYTES };
    let counts: &[usize] = if options.quick { &[1, 2] } else { &[1, 2, 4] };
    let cwd = lab.fresh()?;
    random_file(&cwd.join("bulk"), bytes)?;
    let rivals = [Rival::Iperf(1), Rival::Iperf(4), Rival::Plain, Rival::Tls, Rival::Rsync];
    let (rivals, missing): (Vec<_>, Vec<_>) =
        rivals.into_iter().partition(|rival| rival.missing().is_none());

    let mut ways: Vec<(Option<Rival>, Way)> = Vec::new();
    for &nodes in counts {
        ways.push((None, Way::new("outlast", nodes)));
        ways.extend(rivals.iter().map(|&rival| (Some(rival), Way::new(rival.name(), nodes))));
    }
    let mut disk = Way::new("cp, written to the disk", 0);
    for round in 1..=options.runs {
        for (rival, way) in &mut ways {
            settle();
            warm(lab, bytes * (2 * way.nodes as u64 + 2))?;
            let took = match rival {
                None => outlast(lab, &cwd, "bulk", bytes, way.nodes)?,
                Some(rival) => pushed(lab, *rival, &cwd.join("bulk"), bytes, way.nodes)?,
            };
            way.add(round, took);
        }
        settle();
        disk.add(round, copy(lab, &cwd.join("bulk"))?);
    }

    println!("One file of {:.0} MiB, random, to nodes with one slot each.\n", mib(bytes));
    println!(
        "| what | nodes | s until accepted | s until all have it | MiB/s to each | MiB/s in all | MiB sent | CPU s of the submitter | CPU s of a node |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (_, way) in &ways {
        let rate = mib(bytes) / way.median(|took| took.there - took.accepted);
        #[expect(clippy::cast_precision_loss, reason = "a handful of nodes")]
        let all = rate * way.nodes as f64;
        println!(
            "| {} | {} | {} | {:.2} | {rate:.0} | {all:.0} | {} | {} | {} |",
            way.name,
            way.nodes,
            way.text(|took| (took.accepted > 0.0).then_some(took.accepted), 2),
            way.median(|took| took.there),
            way.text(|took| took.sent.map(mib), 0),
            way.text(|took| took.cpu_here, 2),
            way.text(|took| took.cpu_there, 2),
        );
    }
    let seconds = disk.median(|took| took.there);
    println!("| {} | | | {seconds:.2} | {:.0} | | | | |", disk.name, mib(bytes) / seconds);
    println!(
        "\nMiB/s is from when the job is accepted, which includes reading and hashing the file."
    );
    for rival in missing {
        println!("\nSKIPPED {}: no {}", rival.name(), rival.missing().unwrap_or_default());
    }
    Ok(())
}

/// Outlast, with new daemons that know nothing.
pub(super) fn outlast(
    lab: &Lab,
    cwd: &Path,
    input: &str,
    bytes: u64,
    count: usize,
) -> anyhow::Result<Took> {
    let field = Field::new(lab)?;
    let (submitter, nodes) = field.grid(count)?;
    let took = stage(lab, &submitter, &nodes, cwd, input, bytes);
    for node in nodes.into_iter().chain([submitter]) {
        node.remove();
    }
    took
}

/// A rival, to new folders.
pub(super) fn pushed(
    lab: &Lab,
    rival: Rival,
    what: &Path,
    bytes: u64,
    count: usize,
) -> anyhow::Result<Took> {
    let field = Field::new(lab)?;
    let from = field.host()?;
    let mut to = Vec::new();
    for _ in 0..count {
        to.push((field.host()?, lab.fresh()?));
    }
    let took = rival.push(lab, &from, &to, what, bytes);
    for (_, folder) in to {
        std::fs::remove_dir_all(folder)?;
    }
    took
}

/// What the disk alone takes: read, written, and synced.
fn copy(lab: &Lab, file: &Path) -> anyhow::Result<Took> {
    let folder = lab.fresh()?;
    let start = Instant::now();
    let of = format!("of={}", folder.join("copy").display());
    let mut command = Command::new("dd");
    said(command.arg(format!("if={}", file.display())).args([&of, "bs=1M", "conv=fsync"]))?;
    let there = start.elapsed().as_secs_f64();
    std::fs::remove_dir_all(folder)?;
    Ok(Took { there, ..Took::default() })
}

/// What was written before is on the disk, and doesn't slow down what comes.
pub(super) fn settle() {
    let _ = Command::new("sync").status();
}

/// The host of a virtual machine gives it memory when that is touched first: two to three seconds of processor time for a
/// GiB, as measured, that would be counted as the nodes'. So as much as is about to be written is touched before,
/// if it is written to memory. Who else uses the machine may take some of it again.
fn warm(lab: &Lab, bytes: u64) -> anyhow::Result<()> {
    if !super::machine::in_memory() {
        return Ok(());
    }
    let path = lab.fresh()?.join("warm");
    let mut command = Command::new("dd");
    let (of, count) = (format!("of={}", path.display()), format!("count={}", bytes >> 20));
    said(command.args(["if=/dev/zero", &of, "bs=1M", &count]))?;
    Ok(std::fs::remove_file(path)?)
}

/// A file of random bytes.
pub(super) fn random_file(path: &Path, bytes: u64) -> anyhow::Result<()> {
    let mut command = Command::new("head");
    command.args(["-c", &bytes.to_string(), "/dev/urandom"]);
    let status = command.stdin(Stdio::null()).stdout(File::create(path)?).status()?;
    anyhow::ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
