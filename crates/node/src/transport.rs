//! Frames and streams between nodes.
//!
//! ```text
//!   node A                                         node B
//!   connection ─▶ each end's `Gate` says whether it may go on (see `gate`)
//!   send ─▶ queue ─▶ one stream of frames, in order ─▶ TransportEvent::Frame
//!   open ─▶ a stream of its own, both ways ─────────▶ `StreamHandler`
//! ```
//!
//! Frames are best effort: one may be lost with its connection, or because a queue is full, and
//! whoever needs an answer asks again. Between two nodes they arrive in the order they were sent in, unless
//! the connection was lost in between. A node is authenticated by its key; what it sends is not
//! believed: every size has a limit, and who breaks a rule loses the connection. Streams that others open
//! are served by a [`StreamHandler`].
//!
//! [`IrohTransport`] speaks QUIC through iroh, to the addresses that it was told, to the relays of the
//! configuration (`relay`), and by multicast to its LAN if it belongs to an organisation (`lan`). To nobody
//! else: no public relays, no directory. A name server is asked only for the name of a configured relay.

mod admission;
mod connection;
mod dial;
mod frames;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod iroh_transport;
mod key;
mod lan;
mod peer;
mod reach;
mod refusals;
mod relay;
mod streams;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use iroh::endpoint::{RecvStream, SendStream};
use outlast_types::NodeId;

pub use gate::{Gate, HELLO_BYTES, OpenGate, REASON_BYTES};
pub use iroh_transport::{IrohTransport, TransportError, TransportOptions};
pub use key::{KeyError, NodeKey};
pub use lan::{TAGS, Tag};
pub use reach::{Lan, Observed, Place, Reach, RelayState};
pub use streams::{StreamHandler, Violation};

/// A future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// The way to other nodes.
pub trait Transport: Send + Sync + 'static {
    /// This node.
    fn id(&self) -> NodeId;

    /// Where others may reach this node: what it listens on, with the addresses of all interfaces in
    /// place of a wildcard.
    fn addresses(&self) -> Vec<SocketAddr>;

    /// Where others are told to look for this node: [`Transport::addresses`], addresses under which others
    /// see it, and its relay.
    fn place(&self) -> Place;

    /// All that is known about how this node is reached.
    fn reach(&self) -> Reach;

    /// By which organisations nodes of the LAN are to recognise this one, the first [`TAGS`]; in place of those
    /// before. Only organisations with other members: nobody is looked for otherwise.
    fn announce(&self, tags: Vec<Tag>);

    /// Where a node may be reached: replaces what was known before. Says nothing about whether it is there.
    /// Its relay is used only if relays are configured here.
    fn learn(&self, node: NodeId, addresses: &[SocketAddr], relay: Option<&str>);

    /// Queues a frame of at most [`FRAME_BYTES`](outlast_types::limits::FRAME_BYTES) and returns at once. Connects if
    /// need be. If the queue is full, or the node can't be reached, this frame is dropped and
    /// counted: older ones were promised first. To this node itself: it arrives like any other.
    fn send(&self, to: NodeId, frame: Bytes);

    /// Opens a stream to a node, which its [`StreamHandler`] serves. It hears of it with the first byte. Connects if need be.
    fn open(&self, to: NodeId) -> BoxFuture<Result<(SendStream, RecvStream), FetchError>>;

    /// Closes all connections with a node, with a reason of at most [`REASON_BYTES`] that it is told, and
    /// drops what is queued for it. Later connections ask the gate again.
    fn disconnect(&self, node: NodeId, reason: &str);

    /// Nodes that turned this one away may be dialled again at once: what the gate shows them has changed.
    fn forget_refusals(&self);

    /// What it has seen until now.
    fn counters(&self) -> &Counters;

    /// Sends what is queued for connected nodes, for two seconds at most, then says goodbye to
    /// everybody; nothing is sent or received after it.
    fn shutdown(&self) -> BoxFuture<()>;
}

/// What comes from other nodes, on a bounded channel: while nobody takes them the senders wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportEvent {
    /// A frame.
    Frame {
        /// Who sent it, authenticated.
        from: NodeId,
        /// What.
        frame: Bytes,
    },
    /// [`Transport::place`] has changed.
    Moved(Place),
    /// A node of the LAN shares an organisation with this one, as it says: worth a greeting. May come again.
    Found {
        /// The node.
        node: NodeId,
        /// Where it is: in networks of this machine.
        addresses: Vec<SocketAddr>,
    },
    /// A node and this one don't speak with each other. Told once in a while for each node, and not of each
    /// of a crowd.
    Refused {
        /// The node.
        node: NodeId,
        /// It was this node that turned the other one away.
        by_us: bool,
        /// Why; at most [`REASON_BYTES`], without control characters.
        reason: String,
    },
    /// The connection to a node is gone, or couldn't be made; frames may have been lost. It may be back already.
    Down {
        /// The node.
        node: NodeId,
    },
}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection.
    #[error("node {} can't be reached: {reason}", node.short())]
    Unreachable {
        /// The node.
        node: NodeId,
        /// What was tried.
        reason: String,
    },
}

/// What a transport has seen, for people and tests.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames handed to a connection.
    pub frames_sent: AtomicU64,
    /// Bytes sent to nodes that were admitted, with everything around them, as datagrams.
    pub bytes_sent: AtomicU64,
    /// Bytes received from them.
    pub bytes_received: AtomicU64,
    /// Of both, those on connections that are over.
    past: (AtomicU64, AtomicU64),
    /// Frames that arrived.
    pub frames_received: AtomicU64,
    /// Frames dropped: queue full, node not reachable, connection lost while sending, or too large.
    pub frames_dropped: AtomicU64,
    /// Streams of other nodes that were served without a violation.
    pub streams_served: AtomicU64,
    /// Connections closed because the other end broke a rule.
    pub violations: AtomicU64,
    /// Connections turned away because there were too many.
    pub refused: AtomicU64,
    /// Connections that this node's gate turned away.
    pub turned_away: AtomicU64,
    /// Connections that another node's gate turned away, or closed later.
    pub turned_away_by_others: AtomicU64,
    /// Attempts that weren't made, since the node had turned this one away a short time ago.
    pub dials_spared: AtomicU64,
}

impl Counters {
    /// A connection is over, on which so many bytes were sent and received.
    fn is_over(&self, (sent, received): (u64, u64)) {
        count(&self.past.0, sent);
        count(&self.past.1, received);
    }

    fn traffic_of_the_past(&self) -> (u64, u64) {
        (self.past.0.load(Ordering::Relaxed), self.past.1.load(Ordering::Relaxed))
    }

    /// So many bytes were sent and received until now, or a little more.
    fn saw_traffic(&self, (sent, received): (u64, u64)) {
        self.bytes_sent.fetch_max(sent, Ordering::Relaxed);
        self.bytes_received.fetch_max(received, Ordering::Relaxed);
    }
}

fn count(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
