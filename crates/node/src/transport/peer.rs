//! What is known of another node, and the frames that wait for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use iroh::endpoint::{Connection, Side, VarInt};
use outlast_types::NodeId;
use tokio::sync::Notify;

use super::iroh_transport::lock;
use super::reach::Place;
use super::refusals::Refusal;

/// Frames that wait for one node: some seconds of the busiest traffic.
pub(super) const QUEUE_FRAMES: usize = 4096;

/// Bytes that wait for one node: a few of the largest frames.
pub(super) const QUEUE_BYTES: usize = 32 << 20;

/// Connections with one node. Both may dial at the same time, and a restarted one is back before its old one is found dead.
const CONNECTIONS: usize = 4;

/// Addresses tried for one node: a machine has a handful.
pub(super) const ADDRESSES: usize = 16;

/// Two nodes that dial each other at the same time need no longer than this.
const SIMULTANEOUS: Duration = Duration::from_secs(2);

/// Bytes sent and received on a connection, as datagrams.
pub(super) fn traffic(connection: &Connection) -> (u64, u64) {
    let stats = connection.stats();
    (stats.udp_tx.bytes, stats.udp_rx.bytes)
}

/// Another node, and everything about it that is not a task's own.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) node: NodeId,
    queue: Mutex<Queue>,
    pub(super) place: Mutex<Place>,
    connections: Mutex<Vec<(Connection, Instant)>>,
    /// It turned this node away.
    pub(super) refusal: Mutex<Refusal>,
    /// Only one dials at a time.
    pub(super) dialing: tokio::sync::Mutex<()>,
    /// The node is to be looked for somewhere else.
    pub(super) moved: Notify,
    /// Something changed that the sender waits for: a frame, a connection, an address, the end.
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// The peer was forgotten, its sender ends.
    closed: bool,
}

impl Peer {
    pub(super) fn new(node: NodeId) -> Arc<Self> {
        Arc::new(Self {
            node,
            queue: Mutex::default(),
            place: Mutex::default(),
            connections: Mutex::default(),
            refusal: Mutex::default(),
            dialing: tokio::sync::Mutex::default(),
            moved: Notify::new(),
            changed: Notify::new(),
        })
    }

    /// Where it is, from now on.
    pub(super) fn learn(&self, place: Place) {
        let mut known = lock(&self.place);
        if *known != place {
            *known = place;
            // Whoever dials and whoever pauses; one that does neither looks for itself.
            self.moved.notify_waiters();
            self.changed.notify_one();
        }
    }

    /// Whether there was room.
    pub(super) fn push(&self, frame: Bytes) -> bool {
        let mut queue = lock(&self.queue);
        let bytes = queue.bytes + frame.len();
        if queue.closed || queue.frames.len() == QUEUE_FRAMES || bytes > QUEUE_BYTES {
            return false;
        }
        queue.bytes = bytes;
        queue.frames.push_back(frame);
        self.changed.notify_one();
        true
    }

    pub(super) fn pop(&self) -> Option<Bytes> {
        let mut queue = lock(&self.queue);
        let frame = queue.frames.pop_front()?;
        queue.bytes -= frame.len();
        Some(frame)
    }

    /// Drops all frames; how many.
    pub(super) fn clear(&self) -> usize {
        let mut queue = lock(&self.queue);
        queue.bytes = 0;
        std::mem::take(&mut queue.frames).len()
    }

    /// Ends the sender, if nothing waits and no connection is open; whether it did.
    pub(super) fn close_if_idle(&self) -> bool {
        let mut queue = lock(&self.queue);
        queue.closed = queue.frames.is_empty() && self.live().is_none();
        self.changed.notify_one();
        queue.closed
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.queue).closed
    }

    /// The newest open connection.
    pub(super) fn live(&self) -> Option<Connection> {
        let connections = lock(&self.connections);
        let mut open = connections.iter().rev().filter(|(c, _)| c.close_reason().is_none());
        open.next().map(|(connection, _)| connection.clone())
    }

    /// Adds a connection and closes those that it shows to be dead. Whether there were any.
    ///
    /// A node with an open connection doesn't dial. So one that dials has lost all that it had, has
    /// started again most likely, unless both dialled at the same time.
    pub(super) fn add(&self, connection: &Connection) -> bool {
        let mut connections = lock(&self.connections);
        let accepted = |connection: &Connection| connection.side() == Side::Server;
        let mut replaced = false;
        if accepted(connection) {
            for (old, since) in connections.iter() {
                let dead = accepted(old) || since.elapsed() > SIMULTANEOUS;
                if dead && old.close_reason().is_none() {
                    old.close(VarInt::from_u32(0), b"replaced");
                    replaced = true;
                }
            }
        }
        if connections.len() == CONNECTIONS {
            let (oldest, _) = connections.remove(0);
            oldest.close(VarInt::from_u32(0), b"too many connections");
        }
        connections.push((connection.clone(), Instant::now()));
        self.changed.notify_one();
        replaced
    }

    /// Closes all connections and drops what waits.
    pub(super) fn disconnect(&self, code: VarInt, reason: &[u8]) -> usize {
        for (connection, _) in lock(&self.connections).iter() {
            connection.close(code, reason);
        }
        let dropped = self.clear();
        self.changed.notify_one();
        dropped
    }

    /// Bytes sent and received on its connections.
    pub(super) fn traffic(&self) -> (u64, u64) {
        let connections = lock(&self.connections);
        connections
            .iter()
            .map(|(connection, _)| traffic(connection))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Removes a connection; whether an open one is left.
    pub(super) fn remove(&self, connection: &Connection) -> bool {
        let mut connections = lock(&self.connections);
        connections.retain(|(other, _)| other.stable_id() != connection.stable_id());
        connections.iter().any(|(other, _)| other.close_reason().is_none())
    }
}
