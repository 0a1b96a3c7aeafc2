//! What goes into a [`Peer`](crate::Peer) and what comes out of it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use outlast_gridlet::{CellOutput, InputMode, Merged, Needs, ResultError, Sample, Step};
use outlast_types::{Ad, Attempt, CellId, Hash, JobId, NodeId};
use outlast_verify::Class;

use crate::coordinator::JobSpec;
use crate::wire::{ManifestRef, Message, Staging};
use crate::{Record, Standing};

/// A job at a worker: two submitters may have chosen the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobKey {
    /// Who submitted it.
    pub submitter: NodeId,
    /// Its number there.
    pub job: JobId,
}

/// One run of a program at a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId {
    /// Of which job.
    pub key: JobKey,
    /// Under which lease.
    pub attempt: Attempt,
    /// Which step of its recipe.
    pub step: u32,
}

/// A step to run now.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// What to run.
    pub step: Step,
    /// How the job's inputs appear in its folder.
    pub inputs: InputMode,
    /// No file may grow larger, in bytes.
    pub file_limit: u64,
    /// Nor all files of the step together.
    pub folder_limit: u64,
}

/// Why a run gave no answer, apart from its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunFailure {
    /// The program isn't installed.
    MissingProgram(String),
    /// No space left.
    DiskFull,
    /// Folder, inputs or process couldn't be set up.
    Setup(String),
    /// A result that the recipe names is missing or unusable.
    Result(String),
}

/// News of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// The answer for a cell is there.
    Cell(CellOutput),
    /// It ended; all its answers came before this.
    Exited {
        /// Exit code, 128 + n after signal n.
        code: i32,
        /// The last bytes of its standard error.
        tail: String,
    },
    /// It ended without an answer.
    Failed(RunFailure),
}

/// What looking at an answer gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Examined {
    /// It has the right form, and is of this class.
    Class {
        /// The first class of this cell that it agrees with, or the next free number.
        class: Class,
        /// Nobody said this before: the output is to be kept as the class's representative.
        new: bool,
        /// It contradicts a sample of this cell.
        refuted: bool,
    },
    /// It is no result at all: says why.
    Invalid(String),
    /// Our own store failed; says nothing about the answer.
    Unreadable(String),
    /// What compares answers failed: says which program, what it did and what to try. It says nothing
    /// about the answer either.
    Undecided(String),
}

impl From<ResultError> for Examined {
    fn from(error: ResultError) -> Self {
        match error {
            ResultError::Invalid(why) => Self::Invalid(why),
            ResultError::Io(error) => Self::Unreadable(error.to_string()),
            ResultError::Undecided(error) => Self::Undecided(error.to_string()),
        }
    }
}

/// What computing a sample gave.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleOutcome {
    /// Compared with every class of the cell.
    Compared {
        /// Classes that agree with it.
        right: Vec<Class>,
        /// Classes that contradict it.
        wrong: Vec<Class>,
    },
    /// It couldn't be computed: says why.
    Unavailable(String),
}

/// What happens to a peer.
#[derive(Clone)]
pub enum Input {
    /// Time passed; also makes up for a restart.
    Tick,
    /// A frame arrived. `from` is authenticated by the transport.
    Message {
        /// The sender.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// The transport lost its connection to a node.
    ConnectionLost(NodeId),
    /// Get in touch with these.
    Join(Vec<outlast_overlay::Card>),
    /// Nodes that were found near by; whether they are worth it only they can say.
    Found(Vec<outlast_overlay::Card>),
    /// How this node is reached from now on.
    Place {
        /// Its addresses.
        addresses: Vec<SocketAddr>,
        /// The relay that it listens at.
        relay: Option<String>,
    },
    /// What this node has to offer, apart from the free slots, which the peer knows.
    Offer(Ad),
    /// A new job. Its inputs are in the blob store, its record is written.
    Submit(Arc<JobSpec>),
    /// End a job.
    Cancel(JobId),
    /// Write the output of a job again.
    Retry(JobId),
    /// Forget an ended job.
    Forget(JobId),
    /// Take a node off the blacklist: it may get work again, of jobs in which it wasn't
    /// caught. Its history stays.
    Pardon(NodeId),
    /// What a node may do here, and what may be asked of it: comes before its first frame, and
    /// again when it changes.
    Standing {
        /// The node.
        node: NodeId,
        /// Empty: nothing.
        standing: Standing,
    },
    /// A node was expelled: it is no member any more, nothing is done for it, and what it
    /// answered counts only as far as it was accepted already. Also said at the start, of
    /// everybody who was expelled before.
    Expelled(NodeId),
    /// How far [`Effect::Stage`] has come.
    Staging {
        /// The job.
        key: JobKey,
        /// For which lease.
        attempt: Attempt,
        /// So much of what it needs.
        staging: Staging,
    },
    /// [`Effect::Stage`] came to an end.
    Staged {
        /// The job.
        key: JobKey,
        /// For which lease.
        attempt: Attempt,
        /// What went wrong.
        result: Result<(), RunFailure>,
    },
    /// News of a run.
    Run(RunId, RunEvent),
    /// [`Effect::Fetch`] came to an end.
    Fetched {
        /// The job.
        job: JobId,
        /// As given in the effect.
        ticket: u64,
        /// What went wrong.
        result: Result<(), String>,
    },
    /// [`Effect::Examine`] came to an end.
    Examined {
        /// The job.
        job: JobId,
        /// As given in the effect.
        ticket: u64,
        /// For each output, in order, with the output itself.
        results: Vec<(CellOutput, Examined)>,
    },
    /// [`Effect::Sample`] came to an end.
    Sampled {
        /// The job.
        job: JobId,
        /// The sampled cell.
        cell: CellId,
        /// What it gave.
        outcome: SampleOutcome,
    },
    /// [`Effect::Merge`] came to an end.
    Merged {
        /// The job.
        job: JobId,
        /// What was written, or why not.
        result: Result<Merged, String>,
    },
    /// Leave politely: take nothing new, finish or hand back what is here.
    Drain,
    /// Leave at once, with no more than a word to the others.
    Depart,
}

/// What a peer wants done. In order; what follows a [`Effect::Journal`], [`Effect::Store`] or
/// [`Effect::SaveLedger`] waits until that is durable.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a frame, best effort.
    Send {
        /// To whom; never to itself.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Where a node can be reached.
    Learn {
        /// The node.
        node: NodeId,
        /// Its addresses.
        addresses: Vec<SocketAddr>,
        /// The relay that it listens at.
        relay: Option<String>,
    },
    /// Append to a job's journal.
    Journal {
        /// The job.
        job: JobId,
        /// The fact.
        record: Record,
    },
    /// Keep an output as the representative of its class.
    Store {
        /// The job.
        job: JobId,
        /// Its class.
        class: Class,
        /// The output.
        output: CellOutput,
    },
    /// Write the ledger of credibility.
    SaveLedger,
    /// Pull blobs into the store; answer with [`Input::Fetched`].
    Fetch {
        /// The job.
        job: JobId,
        /// To be given back.
        ticket: u64,
        /// Who has them.
        from: NodeId,
        /// Hash and length of each.
        blobs: Vec<(Hash, u64)>,
    },
    /// Check and class answers; answer with [`Input::Examined`].
    Examine {
        /// The job.
        job: JobId,
        /// To be given back.
        ticket: u64,
        /// The answers, all of different cells.
        outputs: Vec<CellOutput>,
    },
    /// Compute a sample and compare it with all classes of its cell; answer with [`Input::Sampled`].
    Sample {
        /// The job.
        job: JobId,
        /// What to compute.
        sample: Sample,
    },
    /// A cell was accepted: its output is final, unless [`Effect::Retracted`] follows.
    Accepted {
        /// The job.
        job: JobId,
        /// The cell.
        cell: CellId,
        /// Its class.
        class: Class,
    },
    /// A cell that was accepted on a liar's word is open again.
    Retracted {
        /// The job.
        job: JobId,
        /// The cell.
        cell: CellId,
    },
    /// Write the output; answer with [`Input::Merged`].
    Merge(JobId),
    /// A job is over; whoever waits for it may know.
    Ended(JobId),
    /// Lay out the inputs that a lease needs; answer with [`Input::Staged`]. What is there already,
    /// for other leases of the job, stays.
    Stage {
        /// The job.
        key: JobKey,
        /// For which lease.
        attempt: Attempt,
        /// All of the job's inputs.
        manifest: ManifestRef,
        /// Those that are needed.
        needs: Needs,
    },
    /// Run a step; answer with [`Input::Run`].
    Run(Box<Run>),
    /// Stop a run; no more news of it is wanted.
    Kill(RunId),
    /// Remove all that a job left at this worker.
    Clean(JobKey),
    /// This node has left: everybody was told, nothing runs any more.
    Drained,
}
