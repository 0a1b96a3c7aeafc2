//! How a job is done: the coordinator at the submitter, the worker, and the peer that is both.
//!
//! ```text
//!            ┌───────────────────────── Peer (one per node) ─────────────────────────┐
//!  Input ───▶│ Membership    Coordinator (one per job submitted here)   Worker       │───▶ Effect
//!            │ (overlay)     leases · Verifier · queue of demand        leases · runs │
//!            └────────────────────────────────────────────────────────────────────────┘
//!   submitter                         worker
//!   Coordinator ──Lease(attempt)────▶ Worker ──Stage──▶ the inputs that it needs
//!               ◀──Accepted/Refused──        ──Run────▶ one step after another
//!               ◀──Cells(attempt)────  answers as they appear (result checkpoints)
//!               ──Ack(cells)────────▶  only after the vote is in the journal
//!               ◀──Alive(attempts)───  renews; silence for `lease_ttl` ends the lease
//! ```
//!
//! Everything here is a state machine without I/O: `handle(now, input, out)`. The daemon and
//! the simulator run the same [`Peer`].
//!
//! # Invariants
//! - A cell is accepted once ([`outlast_verify::Verifier`] decides, nobody else).
//! - An attempt number is granted once, journaled before the lease leaves, and never used again.
//!   What arrives under an attempt that isn't held is dropped and counted.
//! - Effects are carried out in order, and what follows a [`Effect::Journal`] only once that is durable: an
//!   acknowledged answer survives the coordinator's death. Only what happens to this node's own programs
//!   (`Stage`, `Run`, `Kill`, `Clean`) needn't wait: they die with the node.
//! - Every table is bounded, by the job's size or by a limit with a name.

pub mod coordinator;
mod effect;
mod peer;
mod queue;
mod record;
mod settings;
mod standing;
mod story;
#[cfg(test)]
mod testing;
pub mod wire;
mod worker;

pub use coordinator::{
    Coordinator, End, Fault, GridletReport, JobSpec, Phase, Report, WorkerReport, WrongReport, cut,
};
pub use effect::{
    Effect, Examined, Input, JobKey, Run, RunEvent, RunFailure, RunId, SampleOutcome,
};
pub use peer::{Footprint, Peer, PeerCounters, Recovered};
pub use record::Record;
pub use settings::{Quotas, Settings};
pub use standing::Standing;
pub use story::{SCENES, Scene, Story, story};
