//! Blobs from other nodes: in pieces, from whoever has them, once for all who need them here.
//!
//! ```text
//!   Transfers::get ─▶ session: stage::Swarm ──requests──▶ lanes ──streams──▶ Server ─▶ Store
//!        │                 ▲                                │                (at the other node)
//!        │                 └── pieces, verified ◀───────────┘
//!        └─ blobs that another session fetches already are waited for
//! ```
//!
//! - [`Server`] answers the requests of [`outlast_stage::wire`]: whole blobs, and what there is of
//!   those that are on their way.
//! - A *session* fetches a set of blobs: it feeds a [`Swarm`](outlast_stage::swarm::Swarm) and does what that says.
//! - A *lane* is a stream to a node, with several requests under way.
//!
//! **Invariants**: nothing is written under its place before its hash is right; chunk lists come from the
//! origin, who named the blob, and the blob's own hash is checked at the end; what arrived stays, whatever
//! happens to the session; every buffer has a bound.

mod holders;
mod io;
mod lane;
mod server;
mod session;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outlast_types::{Hash, NodeId};
use tokio::sync::{Semaphore, watch};

use crate::store::{Holder, Store, StoreError};
use crate::transport::Transport;

pub use server::Server;

/// Sessions that go on at a time; the others wait. Each has tables and a few MiB under way.
const SESSIONS: usize = 16;

/// How often a session is begun again for blobs whose list turned out to be wrong, or that another session failed to get.
const ROUNDS: usize = 3;

/// Blobs couldn't be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransferError {
    /// Nobody gave them.
    #[error("{0}")]
    Unavailable(String),
    /// What came isn't what its list or hash says.
    #[error("{0}")]
    Wrong(String),
    /// Our own disk is full.
    #[error("{0}")]
    DiskFull(String),
    /// The cache is.
    #[error("{0}")]
    Full(String),
    /// Our own store failed otherwise.
    #[error("{0}")]
    Store(String),
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::DiskFull(_) => Self::DiskFull(text),
            StoreError::Full { .. } => Self::Full(text),
            StoreError::Mismatch { .. } | StoreError::Length { .. } => Self::Wrong(text),
            StoreError::Missing(_) | StoreError::Io { .. } => Self::Store(text),
        }
    }
}

/// What has moved, in bytes.
#[derive(Debug, Default)]
pub struct Moved {
    /// Came from other nodes, verified.
    pub fetched: AtomicU64,
    /// Was copied from other blobs instead of fetched.
    pub known: AtomicU64,
    /// Was there already of blobs that had been interrupted.
    pub resumed: AtomicU64,
    /// Sent to other nodes.
    pub served: AtomicU64,
}

impl Moved {
    /// Each with its name in the node's counters.
    pub(crate) fn counters(&self) -> [(&'static str, u64); 4] {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("staging_bytes_fetched", value(&self.fetched)),
            ("staging_bytes_known", value(&self.known)),
            ("staging_bytes_resumed", value(&self.resumed)),
            ("staging_bytes_served", value(&self.served)),
        ]
    }
}

pub(crate) fn add(counter: &AtomicU64, bytes: u64) {
    counter.fetch_add(bytes, Ordering::Relaxed);
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose blobs they are: it has all of them, and is believed about their chunks.
    pub origin: NodeId,
    /// By what others who fetch the same know it: the hash of a tree. `None`: nobody else will have them.
    pub group: Option<Hash>,
    /// Hashes and lengths.
    pub blobs: BTreeMap<Hash, u64>,
    /// Who needs them here.
    pub holder: Holder,
}

/// Fetches blobs.
pub struct Transfers {
    transport: Arc<dyn Transport>,
    store: Arc<Store>,
    moved: Arc<Moved>,
    /// For ties in a swarm.
    seed: u64,
    /// Blobs that some session fetches; the channel closes with it.
    active: Mutex<HashMap<Hash, watch::Receiver<()>>>,
    sessions: Semaphore,
}

/// Blobs that a session fetches; others may again when it is dropped.
struct Claim<'a> {
    transfers: &'a Transfers,
    blobs: BTreeMap<Hash, u64>,
    /// Closes with this.
    _over: watch::Sender<()>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut active = self.transfers.active();
        self.blobs.keys().for_each(|hash| drop(active.remove(hash)));
    }
}

impl Transfers {
    /// Fetches over `transport` into `store`. `moved` is shared with the [`Server`].
    pub fn new(transport: Arc<dyn Transport>, store: Arc<Store>, moved: Arc<Moved>) -> Self {
        let id = transport.id();
        let seed = id.as_bytes().iter().take(8).fold(0, |n, byte| (n << 8) | u64::from(*byte));
        let (active, sessions) = (Mutex::default(), Semaphore::new(SESSIONS));
        Self { transport, store, moved, seed, active, sessions }
    }

    /// What has moved.
    pub fn moved(&self) -> &Moved {
        &self.moved
    }

    fn active(&self) -> MutexGuard<'_, HashMap<Hash, watch::Receiver<()>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets blobs into the store, those that aren't there yet. They are pinned for their holder at once, and stay
    /// so. Dropping the future ends the session; what arrived stays.
    ///
    /// # Errors
    /// [`TransferError`]: with what was tried.
    pub async fn get(&self, wanted: &Wanted) -> Result<(), TransferError> {
        // Before it is looked whether they are here.
        self.store.pin(wanted.blobs.keys(), wanted.holder);
        let mut last = None;
        for _ in 0..ROUNDS {
            let (claim, others) = self.claim(&wanted.blobs);
            if claim.blobs.is_empty() && others.is_empty() {
                return Ok(());
            }
            if wanted.origin == self.transport.id() {
                let text = "a blob of this node's own is gone from its store".to_owned();
                return Err(TransferError::Store(text));
            }
            if !claim.blobs.is_empty() {
                // Never closed.
                let _turn = self.sessions.acquire().await.ok();
                match session::run(self, wanted, &claim.blobs).await {
                    Ok(()) => last = None,
                    // The list was wrong, for instance that of an origin before; it is gone now.
                    Err(error @ TransferError::Wrong(_)) => last = Some(error),
                    Err(error) => return Err(error),
                }
            }
            drop(claim);
            for mut other in others {
                // An error says that its session is over, however it ended.
                while other.changed().await.is_ok() {}
            }
        }
        let missing = wanted.blobs.keys().filter(|hash| !self.store.has(hash)).count();
        match last {
            _ if missing == 0 => Ok(()),
            Some(error) => Err(error),
            None => Err(TransferError::Unavailable(format!("{missing} blobs can't be had"))),
        }
    }

    /// What nobody fetches yet is the caller's; who fetches the rest.
    fn claim(&self, blobs: &BTreeMap<Hash, u64>) -> (Claim<'_>, Vec<watch::Receiver<()>>) {
        let (over, session) = watch::channel(());
        let mut others: Vec<watch::Receiver<()>> = Vec::new();
        let mut mine = BTreeMap::new();
        let mut active = self.active();
        for (&hash, &length) in blobs {
            if self.store.has(&hash) {
                continue;
            }
            match active.get(&hash) {
                Some(other) if others.iter().any(|known| known.same_channel(other)) => {}
                Some(other) => others.push(other.clone()),
                None => {
                    active.insert(hash, session.clone());
                    mine.insert(hash, length);
                }
            }
        }
        drop(active);
        (Claim { transfers: self, blobs: mine, _over: over }, others)
    }
}

/// Nodes, each once.
type Nodes = BTreeSet<NodeId>;

#[cfg(test)]
mod tests;
