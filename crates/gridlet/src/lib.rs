//! Application managers: what Outlast knows about a program so that it can split its work, check
//! and join its results, and show what there is so far (GINGER, section 4.2).
//!
//! ```text
//!  command line ──Application::open──▶ ApplicationManager ──gridlets()──▶ boxes of cells
//!                                        │ recipe(gridlet, cells) ──▶ what a worker runs
//!   worker's CellOutput ──check, agree──▶│ (verdicts for `verify`)
//!   accepted outputs ───preview, merge──▶│ picture so far, the output files
//! ```
//!
//! A job may name a [`compare::Comparator`] of the user's, which judges answers in the manager's place.
//!
//! A worker knows nothing about applications: it runs a [`Recipe`], collects files as the recipe
//! says, and ships a [`CellOutput`] for each cell. So a new application is code at the submitter
//! only. All of it is pure: files come in through [`SourceFiles`] and [`Blobs`], and leave through
//! [`Sink`].

pub mod apps;
pub mod compare;
mod explain;
mod manager;
mod output;
pub mod picture;
mod recipe;
mod registry;
mod tool;

pub use explain::{Explained, ExplainedGridlet, ExplainedRun, Names, explain};
pub use manager::{
    Answers, Application, ApplicationManager, Blobs, CommandLine, Gridlet, InputFile, Merged,
    OpenError, Preview, ResultError, Results, Sample, Sink, SourceFiles, SplitHint,
};
pub use output::{CellOutput, Content, OutFile, OutputError, is_inner_path};
pub use recipe::{Collect, ExitRule, Harvest, InputMode, Needs, Program, Recipe, Step};
pub use registry::Registry;
pub use tool::{Placed, Ran, TOOL_STDOUT_BYTES, Tool};
