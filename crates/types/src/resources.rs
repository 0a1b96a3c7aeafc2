//! What a node has to offer.

use serde::{Deserialize, Serialize};

/// What a node says of itself; refreshed with its heartbeats. Believed for placement only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ad {
    /// A name for people, usually the host's.
    pub name: String,
    /// Version of Outlast.
    pub version: String,
    /// Gridlets that it runs at a time; 0: it does not work for others.
    pub slots: u32,
    /// Of those, free now.
    pub free: u32,
    /// Processor cores.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Free space for work in bytes.
    pub disk_free_bytes: u64,
    /// Run-queue length over the last minute, in thousandths.
    pub load_milli: u32,
    /// Measured floating-point operations per second of one core; 0 if not measured.
    pub flops: u64,
    /// What of the machine results may depend on: architecture, system, processor, C library. Two nodes that say
    /// the same here are alike; the text has no other meaning.
    pub kind: String,
    /// It is leaving: it finishes or hands back what it has and takes nothing new.
    pub draining: bool,
}
