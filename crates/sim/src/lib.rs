//! A seeded world: many real [`outlast_job::Peer`]s, a network that fails, machines that crash and lie.
//!
//! ```text
//!   Scenario + seed ──▶ World ──▶ Outcome { violation?, hash, trace }
//!                         │
//!       queue of events ──┼── Host: Peer · disk (survives a crash) · volatile (doesn't)
//!       Network           ├── Behaviour: honest, liar, colluder, hangs, fuzzes …
//!       Checker ──────────┘    after each event: its own books against what becomes durable and what leaves
//! ```
//!
//! The machines are the ones that the daemon runs, unmodified, behind the real codec; the world carries out
//! their effects as the daemon does, and crashes may come between any two of them. It is single-threaded,
//! knows no clock but its own, and takes all chance from one seed: the same seed gives the same [`Outcome::hash`].
//!
//! # How to add a scenario
//! 1. Write a function in `tests/scenarios/catalogue.rs` that takes a [`Dice`] and gives a [`Scenario`]: start from
//!    [`Scenario::honest`], change nodes' [`Behaviour`], add [`JobPlan`]s and [`Fault`]s, and say what must
//!    come out: [`Scenario::ends`], [`Scenario::right`], [`Scenario::within`].
//! 2. Add a line for it to the list at the end of `tests/scenarios/main.rs`: its name, and how many seeds it gets.
//! 3. `OUTLAST_SEED=17 cargo nextest run -p outlast-sim NAME` runs one seed of it, `OUTLAST_SEEDS=100000` many.
//!
//! What must hold always is in `check` (after each event) and `bounds` (each virtual second, and at the end).
//!
//! What it does not do: programs, folders, real networks. Those are the end-to-end tests' business.

pub mod app;
mod behaviour;
mod bounds;
mod check;
mod dice;
mod effects;
mod fate;
mod fuzz;
mod host;
mod network;
mod scenario;
mod throughput;
mod world;

pub use behaviour::{Answers, Behaviour};
pub use dice::Dice;
pub use network::Link;
pub use scenario::{Ends, Fault, JobPlan, NodePlan, Scenario};
pub use throughput::{Throughput, throughput};
pub use world::{Outcome, Tally, World};
