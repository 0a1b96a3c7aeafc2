//! The applications that come with Outlast.
//!
//! Answers of `sweep` and `command` have the same form: [`STDOUT`] and [`STDERR`] hold the streams
//! (a worker may leave an empty one out), and each file of the program's own is there under
//! [`FILES`], so that no file can be taken for a stream.

mod answer;
pub mod command;
pub mod manifest;
pub mod povray;
mod staging;
pub mod sweep;
#[cfg(test)]
mod testing;

use crate::{Application, Registry};

/// The name of standard output in an answer.
pub const STDOUT: &str = "stdout";

/// The name of standard error in an answer.
pub const STDERR: &str = "stderr";

/// In front of the path of every file that the program wrote.
pub const FILES: &str = "files/";

/// All applications, most specific first.
pub fn registry() -> Registry {
    let mut applications: Vec<Box<dyn Application>> =
        vec![Box::new(povray::Povray), Box::new(sweep::Sweep)];
    for manifest in manifest::shipped() {
        applications.push(Box::new(manifest::Described::new(manifest)));
    }
    applications.push(Box::new(manifest::Restorer));
    applications.push(Box::new(command::Command));
    Registry::new(applications)
}
