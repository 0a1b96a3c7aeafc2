//! Which answers are right: replication, voting, samples, credibility, without I/O.
//!
//! ```text
//!   job ──assign, vote, release──▶ Verifier ──Verdict──▶ job (journal, merge, report)
//!    ▲                               │ SampleWanted                     │
//!    └─────── sampled ◀── submitter computes a fragment itself          ▼
//!                                                       Ledger: credibility across jobs
//! ```
//!
//! After GINGER, section 3.2. [`Verifier`] decides one job: which class of agreeing answers is
//! accepted for a cell, by quorum, by the submitter's own answer, and never against a local sample.
//! [`Ledger`] remembers across jobs who was right.
//!
//! Invariants: a cell is accepted once and never changes; a class that a sample refuted is never
//! accepted; the same calls with the same seed give the same verdicts.
//!
//! What is deliberately absent: comparing answers. The caller sorts them into classes with the
//! application's comparator; here a class is a number.

pub mod commitment;
pub mod credibility;
mod ledger;
pub mod partition;
mod policy;
mod verdict;
mod verifier;

pub use ledger::{Change, Evidence, History, LEDGER_NODES, Ledger, SecondForm};
pub use partition::Partitioning;
pub use policy::{Decision, Limits, Policy, PolicyError, Schedule};
pub use verdict::{Basis, Class, How, Proof, Stats, Verdict};
pub use verifier::{Load, Verifier};
