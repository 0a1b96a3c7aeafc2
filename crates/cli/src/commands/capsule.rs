//! `checkpoint`, `restore`, `inspect`: programs stopped, written down and run again.
//!
//! No node takes part, and no runtime: threads that wait for nothing would be the larger part of what a small
//! checkpoint takes.

mod checkpoint;
mod inspect;
mod restore;

use serde_json::{Map, Value};

use crate::args::capsule::CapsuleCommand;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Does what the command line says.
///
/// # Errors
/// With the code to exit with.
pub fn act(command: &CapsuleCommand, ui: &mut Ui) -> Result<Exit, Failure> {
    match command {
        CapsuleCommand::Checkpoint(args) => checkpoint::checkpoint(ui, args),
        CapsuleCommand::Restore(args) => restore::restore(ui, args),
        CapsuleCommand::Inspect(args) => inspect::inspect(ui, args),
    }
}

/// Phases as keys of an object: `copy_us`.
fn phase_keys(phases: &[(&'static str, u64)], into: &mut Map<String, Value>) {
    for (phase, micros) in phases {
        into.insert(format!("{}_us", phase.replace([' ', '-'], "_")), (*micros).into());
    }
}
