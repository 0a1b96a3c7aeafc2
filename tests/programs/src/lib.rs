//! Test programs for checkpoint and restore: tiny C programs, one for each kernel resource, that check themselves.
//!
//! ```text
//!  tests/programs/files/offset.c ──cc──▶ program ──start──▶ sets up ──▶ `ready` ┄┄ cycles ┄┄ `go` ──▶ checks ──▶ `verdict`
//!       │                                                     ▲                                          │
//!       └─ first line: what it checks, and tags               └──────────── Run, this crate ◀────────────┘
//! ```
//!
//! - [`list`]: which programs there are, with what each checks and its tags.
//! - [`compile`]: all of them compiled, once for each state of their source.
//! - [`run`]: one of them running in a fresh folder, through to its verdict. Whoever kills and restores it in between
//!   tells its new process number by [`Run::replaced_by`].
//! - [`batch`]: many of them, with something done to each.
//! - [`real`]: real programs in the middle of their work.
//!
//! What the programs and the harness agreed on is at the top of `outlast_test.h`. A new program is a new file, nothing else.
//!
//! This crate knows nothing of checkpoints, and depends on no other crate of ours: any of them can test with it.

pub mod batch;
pub mod compile;
pub mod list;
pub mod real;
pub mod run;

pub use list::{Program, all, named};
pub use run::{Run, Verdict};
