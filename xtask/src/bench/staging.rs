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

use self::field::Field;
use super::parts::{Options, Part};
use super::{lab, machine};

/// What it measures.
pub(super) const ABOUT: &str =
    "1 GiB and 10,000 files to nodes, again, joining, `outlast status`, an idle daemon";

/// Rounds of each comparison.
const RUNS: usize = 3;

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
    super::parts::main(args, PARTS, RUNS, |lab| {
        println!("- hosts: {}", Field::new(lab)?.kind());
        Ok(())
    })
}
