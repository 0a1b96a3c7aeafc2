//! `cargo xtask bench grid`: what a grid costs, beside the tools that people would use instead.
//!
//! ```text
//! cargo xtask bench grid [--quick] [--runs N] [PART …]     parts: picture tasks scheduling memory failover
//! ```
//!
//! Each part prints a table in Markdown; `docs/BENCHMARKS.md` keeps the tables of one machine. What is compared runs
//! in turns, A B C A B C, so that a machine that becomes slower does so for all of them; figures are
//! medians. `--quick` is one short round of everything: it says whether the benchmark works, not how
//! fast anything is.

mod failover;
mod hyperqueue;
mod memory;
mod picture;
mod scheduling;
mod tasks;

use anyhow::{Context as _, bail};

use super::{lab, machine};
use lab::Lab;

/// What it measures.
pub(super) const ABOUT: &str = "pictures, tasks a second, scheduling, memory, time to fail over";

/// Rounds of each comparison.
const RUNS: usize = 5;

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
    Part { name: "scheduling", run: scheduling::main },
    Part { name: "tasks", run: tasks::main },
    Part { name: "failover", run: failover::main },
    Part { name: "memory", run: memory::main },
    Part { name: "picture", run: picture::main },
];

/// Runs all parts, or those that are named.
pub(super) fn main(args: &[String]) -> anyhow::Result<()> {
    let options = parse(args)?;
    let lab = Lab::new()?;
    machine::print(options.runs, options.quick);
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
