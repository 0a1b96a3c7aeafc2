//! Programs that an application manager runs at the submitter itself: to look at an input while a
//! command is taken apart, to prepare parts of it, to compare two answers, or to join the accepted
//! ones.
//!
//! They are the submitter's own programs on the submitter's own machine. What a *worker* runs is a
//! [`Recipe`](crate::Recipe) and nothing else. A manager says what to run; the shell around it runs
//! it, with an end to its time and its output.

use std::io;

/// Bytes of a tool's standard output that a manager gets to see: a line for each frame of a long
/// film.
pub const TOOL_STDOUT_BYTES: usize = 128 << 20;

/// A program to run at the submitter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// A name looked up on `PATH`, an absolute path, or a path relative to the folder it runs in.
    pub program: String,
    /// Its arguments, without its own name.
    pub args: Vec<String>,
    /// It is ended after so many seconds, and that is an error.
    pub timeout_s: u32,
}

/// What a tool did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Exit code, 128 + n after signal n.
    pub exit: i32,
    /// Its standard output, all of it.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: String,
}

/// A file that a tool of a merge writes, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Relative to the folder that the tool ran in.
    pub from: String,
    /// As in the command: relative to its folder, or absolute.
    pub to: String,
}

impl Ran {
    /// Itself, if it ended with 0.
    ///
    /// # Errors
    /// What it said otherwise.
    pub fn ok(self, program: &str) -> io::Result<Self> {
        if self.exit == 0 {
            return Ok(self);
        }
        Err(io::Error::other(format!(
            "`{program}` ended with exit code {}, expected 0: {}",
            self.exit,
            self.stderr.trim_end()
        )))
    }
}

/// What [`SourceFiles`](crate::SourceFiles), [`Blobs`](crate::Blobs) and [`Sink`](crate::Sink) say where there is nothing that could run a tool.
pub(crate) fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "no programs can be run here")
}
