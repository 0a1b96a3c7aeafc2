//! What a node can be asked: the seam between the API's routes and the daemon.
//!
//! The daemon implements [`Control`] and hands it to [`serve`](crate::serve); the
//! [`Client`](crate::Client) implements it too, by asking over the socket. So a command of the CLI
//! is written once, for a daemon's socket and for a node in its own process.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::types::{
    DownRequest, JobDetail, JobSpec, JobSummary, LogEntry, NodeRow, NodeStatus, OutputName,
    OutputPart, Page, Pardoned, PreviewFile, Why,
};
use crate::{ApiError, TrustControl};

/// What a method of [`Control`] returns; boxed so that there can be a `dyn Control`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>>;

/// What a node can be asked.
///
/// `job` is a job's number or a prefix of it: no job gives [`NotFound`](crate::ErrorCode::NotFound), several
/// give [`Conflict`](crate::ErrorCode::Conflict).
pub trait Control: TrustControl + Send + Sync + 'static {
    /// How the node is.
    fn status(&self) -> Answer<'_, NodeStatus>;

    /// The node in figures, in the text format of OpenMetrics.
    fn metrics(&self) -> Answer<'_, String>;

    /// The nodes that it knows, itself first.
    fn nodes(&self) -> Answer<'_, Vec<NodeRow>>;

    /// Takes a job on, and returns its number once it is safe from a restart.
    ///
    /// A command that can't be run (unknown option, missing input) is a
    /// [`BadRequest`](crate::ErrorCode::BadRequest).
    fn submit(&self, spec: JobSpec) -> Answer<'_, String>;

    /// The jobs that were submitted here, the latest first; at most
    /// [`limits::ROWS`](crate::limits::ROWS).
    fn jobs(&self) -> Answer<'_, Vec<JobSummary>>;

    /// All about a job, with a page of its gridlets.
    fn job<'a>(&'a self, job: &'a str, gridlets: Page) -> Answer<'a, JobDetail>;

    /// The job as soon as its version isn't `since` any more or it has ended, at the latest after `timeout`.
    /// Without `since`: at once.
    fn wait<'a>(
        &'a self,
        job: &'a str,
        since: Option<u64>,
        timeout: Duration,
    ) -> Answer<'a, JobSummary>;

    /// What happened to a job, in order; the last [`limits::LOG_ENTRIES`](crate::limits::LOG_ENTRIES) entries.
    fn logs<'a>(&'a self, job: &'a str) -> Answer<'a, Vec<LogEntry>>;

    /// Ends a job. One that has ended stays as it is.
    fn cancel<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary>;

    /// Writes the output of a job again that couldn't be written; all of it is still there. Any other job is
    /// [`WrongState`](crate::ErrorCode::WrongState).
    fn retry<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary>;

    /// Why the cells of a gridlet were decided as they were; [`NotFound`](crate::ErrorCode::NotFound) if the
    /// job has no such gridlet.
    fn why<'a>(&'a self, job: &'a str, gridlet: u32) -> Answer<'a, Why>;

    /// What is accepted so far, to look at; [`NotFound`](crate::ErrorCode::NotFound) while there is nothing to
    /// show.
    fn preview<'a>(&'a self, job: &'a str) -> Answer<'a, PreviewFile>;

    /// What the program of a `command` job wrote, once it is accepted, from byte `offset` on; other jobs have
    /// none ([`NotFound`](crate::ErrorCode::NotFound)).
    fn output<'a>(&'a self, job: &'a str, name: OutputName, offset: u64) -> Answer<'a, OutputPart>;

    /// Leaves the grid and ends the daemon. Returns once that has begun.
    fn down(&self, request: DownRequest) -> Answer<'_, ()>;

    /// Takes a node off the blacklist. `node` is its key or a prefix of it, among those on the list: none gives
    /// [`NotFound`](crate::ErrorCode::NotFound), several give [`Conflict`](crate::ErrorCode::Conflict).
    fn pardon<'a>(&'a self, node: &'a str) -> Answer<'a, Pardoned>;
}
