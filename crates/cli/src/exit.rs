//! How the process ends.

use std::fmt;
use std::io;

use outlast_api::{ApiError, ErrorCode};

/// An exit code. The list that users read is [`EXIT_CODES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// All went well.
    pub const OK: Self = Self(0);
    /// The job failed, runs of a sweep failed, or something else went wrong.
    pub const FAILED: Self = Self(1);
    /// The command line, or the command to run, can't be meant.
    pub const USAGE: Self = Self(2);
    /// No daemon, or it can't be reached.
    pub const NO_DAEMON: Self = Self(3);
    /// No such job, or more than one.
    pub const NO_JOB: Self = Self(4);
    /// `--timeout` has passed.
    pub const TIMEOUT: Self = Self(5);
    /// No node has the program.
    pub const NO_PROGRAM: Self = Self(6);
    /// A right is missing, or a ticket is of no use.
    pub const REFUSED: Self = Self(7);
    /// Ctrl-C.
    pub const INTERRUPTED: Self = Self(130);

    /// The code for a program's own: what doesn't fit into a byte is a failure, not a success.
    pub fn of_program(code: i32) -> Self {
        u8::try_from(code).map_or(Self::FAILED, Self)
    }
}

/// The exit codes, for `--help` and the guide.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    all went well
  1    the job failed, runs of a sweep failed, or something else went wrong
  2    the command line, or the command to run, is wrong
  3    no daemon answers
  4    no such job, or more than one
  5    --timeout has passed
  6    no node has the program
  7    a right is missing, or a ticket is of no use
  130  interrupted by Ctrl-C
For a job of a single command (`run` and `wait`) and for `restore`: the program's own exit code.";

/// Why a command ends early.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code to exit with.
    pub exit: Exit,
    /// For people; empty: there is nothing to say.
    pub message: String,
}

impl Failure {
    /// A failure with this code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// [`Exit::USAGE`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::USAGE, message)
    }

    /// [`Exit::FAILED`].
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::FAILED, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let exit = match error.code {
            ErrorCode::BadRequest | ErrorCode::TooLarge => Exit::USAGE,
            ErrorCode::NotFound | ErrorCode::Conflict => Exit::NO_JOB,
            ErrorCode::Forbidden => Exit::REFUSED,
            ErrorCode::Unavailable => Exit::NO_DAEMON,
            ErrorCode::Timeout => Exit::TIMEOUT,
            ErrorCode::WrongState | ErrorCode::Unsupported | ErrorCode::Internal => Exit::FAILED,
        };
        Self::new(exit, error.message)
    }
}

/// Writing to standard output failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever read it has seen enough.
            return Self::new(Exit::OK, "");
        }
        Self::failed(format!("standard output: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_exit_code_never_turns_into_success() {
        assert_eq!(Exit::of_program(0), Exit::OK);
        assert_eq!(Exit::of_program(137), Exit(137));
        assert_eq!(Exit::of_program(256), Exit::FAILED);
        assert_eq!(Exit::of_program(-1), Exit::FAILED);
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure, Failure::new(Exit::OK, ""));
    }
}
