//! `cargo xtask bench staging`: what it costs to bring files to nodes, to join a grid, and to sit there idle.
//!
//! ```text
//! cargo xtask bench staging [--quick] [--runs N] [PART …]     parts: bulk small again join status idle
//! ```
//!
//! - *bulk*: one large file to 1, 2 and 4 nodes; iperf3, rsync and TLS do the same beside it;
//! - *small*: a tree of thousands of small files to 1 and 2 nodes; rsync and tar beside it;
//! - *again*: the same file a second time, unchanged and with 1 % of it overwritten;
//! - *join*: from the start of a node to where the others see it;
//! - *status*: how long `outlast status` takes, and the request alone;
//! - *idle*: memory and processor time of a daemon that has nothing to do.
//!
//! Hosts are network namespaces on one bridge ([`field`]); without root all is on loopback, and says so. They
//! share one machine: its cores hash, encrypt and write for all nodes at once. So the figures are those
//! of one machine that does everybody's work, not of a network, and rivals have the same to do.
//! `--quick` says whether the benchmark works, not how fast anything is.

mod again;
mod bulk;
mod field;
mod idle;
mod join;
mod rivals;
mod small;
mod status;
mod transfer;

use anyhow::{Context as _, bail};

use self::field::Field;
use super::{lab, machine};
use lab::Lab;

/// What it measures.
pub(super) const ABOUT: &str =
    "1 GiB and 10,000 files to nodes, again, joining, `outlast status`, an idle daemon";

/// Rounds of each comparison.
const RUNS: usize = 3;

/// What was asked for.
struct Options {
    quick: bool,
    runs: usize,
    parts: Vec<&'static Part>,
}

/// A part of the benchmark.
struct Part {
    name: &'static str,
    run: fn(&Lab, &Options) -> anyhow::Result<()>,
}

const PARTS: &[Part] = &[
    Part { name: "bulk", run: bulk::main },
    Part { name: "small", run: small::main },
    Part { name: "again", run: again::main },
    Part { name: "join", run: join::main },
    Part { name: "status", run: status::main },
    Part { name: "idle", run: idle::main },
];

/// Runs all parts, or those that are named.
pub(super) fn main(args: &[String]) -> anyhow::Result<()> {
    let options = parse(args)?;
    let lab = Lab::new()?;
    machine::print(options.runs, options.quick);
    println!("- hosts: {}", Field::new(&lab)?.kind());
    let mut failed = Vec::new();
    for part in &options.parts {
        println!("\n### {}\n", part.name);
        println!("Load when it began: {}\n", machine::load());
        if let Err(error) = (part.run)(&lab, &options) {
            println!("FAILED: {error:#}");
            failed.push(part.name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn parse(args: &[String]) -> anyhow::Result<Options> {
    let mut options = Options { quick: false, runs: RUNS, parts: Vec::new() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => (options.quick, options.runs) = (true, 1),
            "--runs" => {
                let runs = args.next().context("--runs: expected a number")?;
                let runs = runs.parse().with_context(|| format!("--runs {runs}"))?;
                options.runs = std::cmp::max(1, runs);
            }
            name => {
                let part = PARTS.iter().find(|part| part.name == name);
                let known: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
                options.parts.push(part.with_context(|| {
                    format!("unknown part `{name}`, expected one of: {}", known.join(", "))
                })?);
            }
        }
    }
    if options.parts.is_empty() {
        options.parts = PARTS.iter().collect();
    }
    Ok(options)
}
