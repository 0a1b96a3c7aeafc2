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

use super::lab;
use super::parts::{Options, Part};

/// What it measures.
pub(super) const ABOUT: &str = "pictures, tasks a second, scheduling, memory, time to fail over";

/// Rounds of each comparison.
const RUNS: usize = 5;

const PARTS: &[Part] = &[
    Part { name: "scheduling", run: scheduling::main },
    Part { name: "tasks", run: tasks::main },
    Part { name: "failover", run: failover::main },
    Part { name: "memory", run: memory::main },
    Part { name: "picture", run: picture::main },
];

/// Runs all parts, or those that are named.
pub(super) fn main(args: &[String]) -> anyhow::Result<()> {
    super::parts::main(args, PARTS, RUNS, |_| Ok(()))
}
