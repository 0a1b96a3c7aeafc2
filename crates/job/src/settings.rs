//! Times and bounds of the protocol. The defaults suit a LAN and the Internet; tests shorten them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Times and bounds of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often a worker renews its leases.
    pub renew_every: Duration,
    /// A lease that isn't renewed for this long is lost. Four renewals, so that two lost
    /// datagrams and a pause of the machine don't end it.
    pub lease_ttl: Duration,
    /// A lease or an answer that isn't acknowledged is sent again after this long.
    pub resend_every: Duration,
    /// How long a worker works on for a submitter that it doesn't hear from.
    pub orphan_ttl: Duration,
    /// How long a worker gathers finished cells before it ships them together. The last cell of a
    /// lease is shipped at once.
    pub gather: Duration,
    /// Leases that a worker may hold besides those it runs, so that it needn't wait for the next one.
    pub prefetch: u32,
    /// How long a worker that was busy, or had no room, isn't asked again.
    pub busy_backoff: Duration,
    /// How long a worker that failed for reasons of its own (disk, staging) isn't asked again.
    pub failure_backoff: Duration,
    /// How long a job that no known node can run waits for one that can.
    pub no_worker_grace: Duration,
    /// So many workers must have failed at a gridlet before the program is held to be at fault.
    pub failures_to_give_up: u32,
    /// How long a leaving worker goes on with the steps that run.
    pub drain_ttl: Duration,
    /// A lease that takes this many times as long as its like may get a rival once nothing else is left to do.
    pub straggler_factor: u32,
    /// No lease is called a straggler before this.
    pub straggler_min: Duration,
    /// What this node does for others at most.
    pub quotas: Quotas,
}

/// Bytes in a step's folder if nobody says otherwise: a few of the largest files.
const STEP_BYTES: u64 = 32 << 30;

/// What a node does for others at most; its own jobs are not concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// Slots that one submitter has at once; 0: all.
    pub member_slots: u32,
    /// How long one step may run. A day: who needs longer asks the owner.
    pub run_time: Duration,
    /// Bytes of one file that a step writes.
    pub file_bytes: u64,
    /// Bytes of all files together in a step's folder, its copies of inputs among them.
    pub step_bytes: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            member_slots: 0,
            run_time: Duration::from_secs(24 * 3600),
            file_bytes: outlast_types::limits::RESULT_FILE_BYTES,
            step_bytes: STEP_BYTES,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            renew_every: Duration::from_millis(500),
            lease_ttl: Duration::from_millis(2500),
            resend_every: Duration::from_secs(1),
            orphan_ttl: Duration::from_secs(600),
            gather: Duration::from_millis(100),
            prefetch: 2,
            busy_backoff: Duration::from_millis(500),
            failure_backoff: Duration::from_secs(20),
            no_worker_grace: Duration::from_secs(10),
            failures_to_give_up: 3,
            drain_ttl: Duration::from_secs(30),
            straggler_factor: 4,
            straggler_min: Duration::from_secs(10),
            quotas: Quotas::default(),
        }
    }
}
