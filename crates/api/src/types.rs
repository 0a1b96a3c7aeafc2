//! What travels over the control API, as JSON.
//!
//! Requests refuse unknown fields: a client that asks an older daemon for something it doesn't
//! know must hear about it. Replies tolerate them, so a newer daemon may say more. Times that end
//! in `_s` are seconds; points in time are seconds since 1970.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod evidence;
mod node;
mod services;
mod why;

pub use evidence::{Evidence, Mate};
pub use node::{NodeRow, NodeState, NodeStatus, NodeVo, Observed, Reach, Relay};
pub use services::{ServiceBlock, ServiceInForce, ServiceSetting, ServiceValue};
pub use why::{Scene, SceneKind, Why};

/// When replicas are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Another one only while no quorum can be reached.
    #[default]
    Incremental,
    /// All that a quorum needs at the start.
    AllAtOnce,
    /// One of the two, by how busy the grid is.
    Auto,
}

/// How results are to be verified; what is absent, the daemon decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerificationSpec {
    /// Answers that have to agree.
    pub quorum: Option<u32>,
    /// Answers to ask for at most before a cell is given up.
    pub max_answers: Option<u32>,
    /// Samples that the submitter computes itself for each gridlet.
    pub samples: Option<u32>,
    /// When replicas are handed out.
    pub schedule: Option<Schedule>,
}

/// One dimension of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// What `{name}` stands for in the command.
    pub name: String,
    /// A list `a,b,c` or a range `1..100`, as typed.
    pub values: String,
}

/// A job to be done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobSpec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The folder that relative paths refer to; absolute.
    pub cwd: String,
    /// Variables for the program, besides a minimal environment.
    pub env: BTreeMap<String, String>,
    /// Files or folders to stage.
    pub inputs: Vec<String>,
    /// A file that becomes the program's standard input.
    pub stdin: Option<String>,
    /// Where results go.
    pub output: Option<String>,
    /// Files that the program writes; empty: all that it creates.
    pub outputs: Vec<String>,
    /// The dimensions of a sweep, in order.
    pub params: Vec<Param>,
    /// The application; absent: the first that recognises the command.
    pub app: Option<String>,
    /// Other options for the application.
    pub options: BTreeMap<String, String>,
    /// How results are to be verified, in short; the service `verification` says it all.
    pub verification: VerificationSpec,
    /// Technical services: how the job is to be treated. An older daemon refuses a request that names some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceBlock>,
    /// Into how many gridlets to split, if the application can.
    pub gridlets: Option<u32>,
    /// A name for people.
    pub name: Option<String>,
    /// The virtual organisation to submit it in, by name or the beginning of its key; absent: whoever may work for this
    /// node.
    pub vo: Option<String>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// No gridlet was handed out yet.
    Queued,
    /// Gridlets are being worked on.
    Running,
    /// All is accepted, the output is being written.
    Merging,
    /// The output is there.
    Done,
    /// It can't be done.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl JobState {
    /// Whether nothing more will happen.
    pub const fn ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Merging => "merging",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a job failed, as far as a client acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// No node has the program.
    NoProgram,
    /// The program failed wherever it ran.
    Program,
    /// Answers contradict each other and no quorum came about.
    Verification,
    /// The output couldn't be written.
    Output,
    /// Anything else.
    Other,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobFailure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
}

/// A job in a few numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    /// Its number, 16 hexadecimal digits.
    pub id: String,
    /// A name for people.
    pub name: Option<String>,
    /// Its application.
    pub app: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it stands.
    pub state: JobState,
    /// When it was submitted, in seconds since 1970.
    pub created: u64,
    /// From its submission to its end, or to now.
    pub elapsed_s: f64,
    /// Grows whenever anything else here changed, but for the times. Starts anew, higher, after a restart.
    pub version: u64,
    /// Gridlets that it was split into.
    pub gridlets_total: u32,
    /// Gridlets of which every cell is accepted.
    pub gridlets_done: u32,
    /// Cells that it has.
    pub cells_total: u32,
    /// Cells that are accepted.
    pub cells_accepted: u32,
    /// Answers for cells that were found wrong or unusable.
    pub answers_rejected: u64,
    /// Leases that are out.
    pub running_leases: u32,
    /// How long it will take from now, if that can be told.
    pub eta_s: Option<f64>,
    /// Exit code that the whole deserves, once it is done.
    pub exit: Option<i32>,
    /// Why it failed.
    pub error: Option<JobFailure>,
    /// What stands in its way now, a sentence: nobody has the program, too few nodes for its quorum …
    #[serde(default)]
    pub waiting_for: Option<String>,
    /// How far its inputs are at all nodes where some are on their way; none: nothing is.
    #[serde(default)]
    pub staging: Option<Staging>,
    /// What the user should know, one sentence each; grows only.
    pub notes: Vec<String>,
    /// Files and folders that were written, as the command names them.
    pub files: Vec<String>,
}

/// How a job is verified, as decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerificationPolicy {
    /// Answers that have to agree.
    pub quorum: u32,
    /// Answers to ask for at most before a cell is given up.
    pub max_answers: u32,
    /// Samples that the submitter computes itself for each gridlet.
    pub samples: u32,
    /// When replicas are handed out.
    pub schedule: Schedule,
    /// What the load has chosen for now, if `schedule` is `auto` and the job runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_now: Option<Schedule>,
}

/// What verification did so far. All count cells, except where it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerificationStats {
    /// Answers that arrived in time.
    pub answers: u64,
    /// Accepted because a quorum agreed.
    pub accepted_by_quorum: u64,
    /// Accepted from a node that is trusted.
    pub accepted_trusted: u64,
    /// Samples that agreed with an answer.
    pub samples_passed: u64,
    /// Samples that contradicted one.
    pub samples_failed: u64,
    /// Samples that couldn't be computed here.
    pub samples_unavailable: u64,
    /// Why, of the last one.
    #[serde(default)]
    pub sample_trouble: Option<String>,
    /// Answers under an attempt that was superseded; dropped.
    pub late_answers: u64,
    /// Answers that arrived twice.
    #[serde(default)]
    pub duplicate_answers: u64,
    /// Leases that were lost.
    pub expired_leases: u64,
    /// Leases that a worker didn't take.
    #[serde(default)]
    pub refused_leases: u64,
    /// Leases granted beside one that was slow.
    #[serde(default)]
    pub rival_leases: u64,
}

/// How an answer was found to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// Others agreed on something else.
    Vote,
    /// It contradicts an answer that was known, and proven, before.
    Quiz,
    /// It contradicts a sample that the submitter computed.
    Sample,
    /// It contradicts the submitter's own answer.
    Own,
    /// It is no result at all.
    Invalid,
}

/// A node that was wrong about a gridlet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WrongAnswer {
    /// The node's key.
    pub node: String,
    /// Its name, if it is known.
    pub name: String,
    /// The gridlet.
    pub gridlet: u32,
    /// How many cells of it.
    pub cells: u32,
    /// The smallest box of atoms that has them all: `pixels 0..160 x 64..96`.
    pub area: String,
    /// How it was found out.
    pub proof: Proof,
    /// The same for people: `contradicts a sample computed by the submitter`.
    pub reason: String,
}

/// What a node did for a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerRow {
    /// The node's key.
    pub node: String,
    /// Its name, if it is known.
    pub name: String,
    /// Leases that it got.
    pub leases: u64,
    /// Cells that it answered.
    pub answered: u64,
    /// Of those, agreeing with what was accepted.
    pub accepted: u64,
    /// Of those, found wrong.
    pub wrong: u64,
    /// Gridlets that it failed at.
    #[serde(default)]
    pub failures: u64,
    /// Why it gets no more of this job's work, if so.
    #[serde(default)]
    pub out: Option<String>,
    /// How far its inputs are, while some are on their way; as it says itself.
    #[serde(default)]
    pub staging: Option<Staging>,
}

/// Inputs on their way to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Staging {
    /// How many nodes.
    pub nodes: u32,
    /// Bytes that are there, the same bytes once for each node.
    pub bytes_here: u64,
    /// Bytes that they need in all.
    pub bytes_total: u64,
}

/// A gridlet in a few numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GridletRow {
    /// Its number.
    pub id: u32,
    /// Its atoms, as in [`WrongAnswer::area`].
    pub atoms: String,
    /// Cells that it has.
    pub cells: u32,
    /// Cells that are accepted.
    pub accepted: u32,
    /// Leases that are out for it now.
    pub leases: u32,
    /// Who has it now: names, or short keys.
    pub running_on: Vec<String>,
}

/// Which gridlets a [`JobDetail`] is to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page {
    /// The first one.
    pub offset: u32,
    /// How many; at most [`limits::PAGE`](crate::limits::PAGE).
    pub limit: u32,
}

impl Page {
    /// No gridlets.
    pub const NONE: Self = Self { offset: 0, limit: 0 };
}

/// All about a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    /// In a few numbers.
    pub summary: JobSummary,
    /// How it is verified.
    pub policy: VerificationPolicy,
    /// The technical services that act on it, and what they decided.
    #[serde(default)]
    pub services: Vec<ServiceInForce>,
    /// What verification did.
    pub verification: VerificationStats,
    /// Who was wrong, and where; at most [`limits::ROWS`](crate::limits::ROWS).
    pub wrong: Vec<WrongAnswer>,
    /// Who worked on it; at most [`limits::ROWS`](crate::limits::ROWS).
    pub workers: Vec<WorkerRow>,
    /// The page of gridlets that was asked for; there are `summary.gridlets_total`.
    pub gridlets: Vec<GridletRow>,
}

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// Seconds since 1970.
    pub time: f64,
    /// The node that it is about, by name or short key.
    pub node: Option<String>,
    /// What happened; may have several lines (the end of a program's standard error).
    pub text: String,
}

/// A program's output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl OutputName {
    /// As in the address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A part of a program's output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputPart {
    /// Its bytes, from the offset that was asked for; at most
    /// [`limits::OUTPUT_PART`](crate::limits::OUTPUT_PART). Empty: there are no more.
    pub bytes: Vec<u8>,
    /// Bytes of the whole.
    pub total: u64,
}

/// A picture, or text, of what is accepted so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewFile {
    /// `image/png`, `text/plain` …
    pub media_type: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// The answer to a submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// The job's number.
    pub id: String,
}

/// How to leave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DownRequest {
    /// Finish or hand back what runs here; otherwise leave at once.
    pub drain: bool,
    /// How long that may take.
    pub timeout_s: f64,
}

/// Whom to get in touch with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// What `outlast invite` printed on a member.
    pub ticket: String,
}

/// Whom to take off the blacklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PardonRequest {
    /// The node's key, or the beginning of it.
    pub node: String,
}

/// Who was taken off the blacklist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pardoned {
    /// The node's key.
    pub node: String,
}
