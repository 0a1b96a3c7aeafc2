//! Technical services: everything that is not the program's own business, such as how results are
//! verified (Caromel, di Costanzo, Delbé: "Peer-to-Peer and Fault-tolerance: Towards Deployment-Based
//! Technical Services", section 5.2).
//!
//! ```text
//!  [[service]] of a job file ──read──▶ Block ┐
//!  flags of `run`, requests ─────────▶ Block ┴─Registry::merge──▶ Registry::check
//!                                                                    │ class, names and types of
//!                                                                    │ arguments, aspects; then `init`
//!                                                                    ▼
//!            what is known of the job ──▶ NodeSettings ◀──apply── Services
//!                                             │ before the program uses a node
//!                                             ▼
//!                             policy, comparator, trusted nodes, variables
//! ```
//!
//! A service is a name (its *class*), a map of arguments, and an implementation of [`TechnicalService`].
//! The deployer, who knows the machines, chooses and configures it; the developer of the program
//! doesn't. The [`Registry`] knows the classes; a program that is `outlast` with something of its own
//! registers more:
//!
//! ```
//! use outlast_deploy::{
//!     Args, Argument, Description, Error, Kind, NodeSettings, Registry, TechnicalService,
//! };
//!
//! /// How many threads a program may use: for those that ask OpenMP.
//! const THREADS: Description = Description {
//!     class: "threads",
//!     aspects: &["threads"],
//!     about: "how many threads a program uses on each node",
//!     arguments: &[Argument {
//!         name: "count",
//!         kind: Kind::Integer { least: 1, most: 1024 },
//!         default: "1",
//!         about: "what OMP_NUM_THREADS says",
//!     }],
//!     always: false,
//! };
//!
//! struct Threads(i64);
//!
//! impl TechnicalService for Threads {
//!     fn init(&mut self, args: &Args) -> Result<(), Error> {
//!         self.0 = args.integer("count").unwrap_or(1);
//!         Ok(())
//!     }
//!
//!     fn apply(&self, node: &mut NodeSettings) -> Result<(), Error> {
//!         node.env.insert("OMP_NUM_THREADS".to_owned(), self.0.to_string());
//!         Ok(())
//!     }
//! }
//!
//! let mut registry = Registry::builtin();
//! registry.register(THREADS, || Box::new(Threads(1)))?;
//! # Ok::<(), outlast_deploy::RegisterError>(())
//! ```
//!
//! Invariants: nothing is applied unless everything is right; every refusal says which argument of
//! which service it is about, where that was written, and what would do. Two services that decide on
//! one aspect never act on the same job unless somebody registered what they mean together.
//!
//! What is deliberately absent: carrying out. A service only changes [`NodeSettings`]; those who verify
//! and run read them.

mod args;
mod block;
mod description;
mod error;
mod registry;
mod service;
mod settings;
mod value;
pub mod verification;

pub use args::Args;
pub use block::{Block, Given, limits, read};
pub use description::{Argument, Description, Kind};
pub use error::{Error, Origin, Problem};
pub use registry::{RegisterError, Registry};
pub use service::{InForce, Services, Setting, TechnicalService};
pub use settings::{Facts, NodeSettings, Verification};
pub use value::Value;
