//! How long `outlast status` takes, from the start of the process to its end, and the request alone.

use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;

use super::Options;
use super::field::Field;
use super::lab::{Lab, has, median, seconds};

/// Times that each is asked.
const TIMES: usize = 50;
const QUICK: usize = 5;

/// The part.
pub(super) fn main(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    let times = if options.quick { QUICK } else { TIMES };
    println!("{times} times one after the other; milliseconds.\n");
    println!("| what | members | median | 95 % are below | longest |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    let cwd = lab.fresh()?;
    if has("true") {
        row("`true`: what starting a process costs", 0, times, || {
            seconds(&mut Command::new("true"))
        })?;
    }
    for members in [1, 5] {
        let field = Field::new(lab)?;
        let (first, nodes) = field.grid(members - 1)?;
        row("`outlast status`", members, times, || seconds(first.outlast(&cwd).arg("status")))?;
        row("`outlast nodes`", members, times, || seconds(first.outlast(&cwd).arg("nodes")))?;
        for path in ["/v1/status", "/v1/nodes"] {
            row(&format!("the request alone, `GET {path}`"), members, times, || {
                let start = Instant::now();
                first.get(path)?;
                Ok(start.elapsed().as_secs_f64())
            })?;
        }
        drop(nodes);
    }
    Ok(())
}

fn row(
    name: &str,
    members: usize,
    times: usize,
    mut once: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<()> {
    let mut took = Vec::new();
    for _ in 0..times {
        took.push(once()? * 1000.0);
    }
    took.sort_by(f64::total_cmp);
    let most = took.get(took.len() * 95 / 100).context("it was measured")?;
    let last = took.last().context("it was measured")?;
    let members = if members == 0 { String::new() } else { members.to_string() };
    println!("| {name} | {members} | {:.2} | {most:.2} | {last:.2} |", median(&took));
    Ok(())
}
