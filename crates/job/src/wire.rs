//! What peers say to each other about jobs. Carried as [`outlast_types::wire`] frames.

use serde::{Deserialize, Serialize};

use outlast_gridlet::{CellOutput, Recipe};
use outlast_types::{Attempt, CellId, GridletId, Hash, JobId, VoId};

/// Everything that travels between two nodes' daemons as a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// About who is there.
    Overlay(outlast_overlay::Message),
    /// From a coordinator to a worker.
    ToWorker(JobId, ToWorker),
    /// From a worker to a coordinator.
    ToCoordinator(JobId, ToCoordinator),
}

/// The list of a job's inputs, itself a blob at the submitter: an encoded `outlast_stage::tree::Tree`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRef {
    /// Hash of the list.
    pub hash: Hash,
    /// Its bytes.
    pub length: u64,
}

/// From a coordinator to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Do this. Sent again under the same attempt until it is answered.
    Lease {
        /// Fences off late answers.
        attempt: Attempt,
        /// For the worker's own display.
        gridlet: GridletId,
        /// In which organisation; `None`: any that both are in.
        vo: Option<VoId>,
        /// The job's inputs.
        manifest: ManifestRef,
        /// What to run.
        recipe: Recipe,
    },
    /// These answers are safe; forget them.
    Ack {
        /// The lease.
        attempt: Attempt,
        /// The cells.
        cells: Vec<CellId>,
    },
    /// These leases are over; stop, and drop what is left of them.
    Revoke {
        /// The leases.
        attempts: Vec<Attempt>,
    },
    /// The coordinator is there and knows of the leases that were renewed.
    Heard,
    /// The job is over; forget all about it.
    Ended,
}

/// Why a worker doesn't take a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No room now.
    Busy,
    /// It is leaving.
    Leaving,
    /// A recipe that it won't run: says why.
    BadRecipe(String),
    /// The submitter has no right to it: says which.
    Forbidden(String),
    /// The submitter has as much here as one may have at once.
    Quota(String),
}

/// Why a worker gives a lease back with cells unanswered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The program isn't installed there.
    MissingProgram(String),
    /// Inputs couldn't be fetched or laid out.
    Staging(String),
    /// Its disk is full.
    DiskFull,
    /// The program failed: exit code, and the end of what it said.
    Program {
        /// Exit code, 128 + n after signal n.
        exit: i32,
        /// The last bytes of its standard error.
        tail: String,
    },
    /// It ended well but a result that the recipe names is missing or unusable.
    Result(String),
    /// The worker leaves.
    Leaving,
    /// It went beyond what the worker allows: says what.
    Limit(String),
}

/// How much of its inputs is there, in bytes; both are as the worker says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staging {
    /// There, and verified.
    pub here: u64,
    /// Needed in all.
    pub of: u64,
}

/// From a worker to a coordinator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToCoordinator {
    /// The lease is taken.
    Accepted {
        /// The lease.
        attempt: Attempt,
    },
    /// The lease isn't taken.
    Refused {
        /// The lease.
        attempt: Attempt,
        /// Why.
        refusal: Refusal,
    },
    /// Answers. Sent again until they are acknowledged.
    Cells {
        /// The lease.
        attempt: Attempt,
        /// One for each cell.
        outputs: Vec<CellOutput>,
    },
    /// These leases are still being worked on. None: asks whether the job goes on.
    Alive {
        /// The leases.
        attempts: Vec<Attempt>,
    },
    /// The rest of the lease won't be answered. Sent again until it is revoked.
    Failed {
        /// The lease.
        attempt: Attempt,
        /// Why.
        failure: Failure,
    },
    /// How far the inputs of a lease have come. For people: nothing depends on it, and it isn't answered.
    Staging {
        /// The lease.
        attempt: Attempt,
        /// How far.
        staging: Staging,
    },
}
