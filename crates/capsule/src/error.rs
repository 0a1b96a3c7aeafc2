use std::fmt;
use std::io;

use outlast_image::ImageError;

use crate::FaultPoint;

/// Something that a checkpoint can't carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The process, as the caller sees it.
    pub pid: i32,
    /// Its name.
    pub process: String,
    /// What stands in the way: `descriptor 5`, `mapping 7f00-8000`, `thread 12`.
    pub place: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({}): {}: {}", self.pid, self.process, self.place, self.why)
    }
}

/// Why there is no checkpoint. The target runs on as if nothing had been tried.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is no such process.
    #[error("there is no process {0}")]
    NoProcess(i32),
    /// It ended, or was ended, meanwhile.
    #[error("process {0} ended before it was captured")]
    Ended(i32),
    /// It may not be traced.
    #[error("tracing process {pid} isn't allowed: {why}")]
    Denied {
        /// Which.
        pid: i32,
        /// What is missing, and how it is got.
        why: String,
    },
    /// It has what can't be carried.
    #[error("{}", list(.0))]
    Refused(Vec<Obstacle>),
    /// A thread doesn't stop: it is in a call that nothing interrupts.
    #[error(
        "thread {tid} of process {pid} doesn't stop within {waited_ms} ms: it is in {what}; try again later"
    )]
    Stuck {
        /// Its process.
        pid: i32,
        /// Which.
        tid: i32,
        /// For how long it was asked, in milliseconds.
        waited_ms: u64,
        /// Where the kernel says it is.
        what: String,
    },
    /// The kernel refused something.
    #[error("{doing} of process {pid}: {source}")]
    Kernel {
        /// What was tried.
        doing: &'static str,
        /// With whom.
        pid: i32,
        /// What it said.
        source: io::Error,
    },
    /// The image can't be written.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A test asked for this failure.
    #[error("failed on purpose after {0:?}")]
    OnPurpose(FaultPoint),
}

fn list(obstacles: &[Obstacle]) -> String {
    let lines: Vec<String> = obstacles.iter().map(|obstacle| format!("  {obstacle}")).collect();
    format!("this can't be checkpointed:\n{}", lines.join("\n"))
}

/// Adds what was tried, and with whom, to what the kernel said.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, pid: i32) -> Result<T, CheckpointError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, pid: i32) -> Result<T, CheckpointError> {
        self.map_err(|source| match source.raw_os_error() {
            Some(libc::ESRCH) => CheckpointError::Ended(pid),
            Some(libc::EPERM | libc::EACCES) => CheckpointError::Denied {
                pid,
                why: format!("{doing}: {source}; it needs CAP_SYS_PTRACE, or the same user"),
            },
            _ => CheckpointError::Kernel { doing, pid, source },
        })
    }
}
