//! How a connection comes about, at either end: dialled or accepted, and past the gate.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use iroh::endpoint::{Connection, RecvStream, SendStream, VarInt};
use iroh::{EndpointAddr, EndpointId};
use outlast_types::NodeId;
use tokio::time::timeout;

use super::admission::{Control, NotAdmitted, PATIENCE};
use super::connection::{GOODBYE, VIOLATION};
use super::iroh_transport::{ALPN, DIAL_TIMEOUT, Inner, lock};
use super::peer::Peer;
use super::reach::Place;
use super::{FetchError, TransportEvent, admission, connection, count};

/// How often a dial begins anew at most, if meanwhile the node is said to be somewhere else.
const DIALS: u32 = 4;

/// Nobody waits longer for a stream while so many are open.
const STREAM_TIMEOUT: Duration = Duration::from_secs(30);

impl Inner {
    /// Asks the gate about a connection that another node made, and begins to serve it.
    pub(super) async fn adopt(self: &Arc<Self>, connection: &Connection) {
        let node = NodeId::from_bytes(*connection.remote_id().as_bytes());
        let answer = admission::answer(&self.gate, node, connection);
        // Nobody is remembered who wasn't let in.
        let Ok(control) = self.admitted(node, connection, answer).await else { return };
        let Some(peer) = self.peer(node) else {
            count(&self.counters.refused, 1);
            connection.close(VarInt::from_u32(2), b"too many nodes");
            return;
        };
        connection::begin(self, &peer, connection, control);
    }

    /// Waits for the end of an admission; closes the connection if there is none.
    async fn admitted(
        self: &Arc<Self>,
        node: NodeId,
        connection: &Connection,
        admission: impl Future<Output = Result<Control, NotAdmitted>>,
    ) -> Result<Control, NotAdmitted> {
        let before = self.disconnects.load(Ordering::SeqCst);
        let late = Err(NotAdmitted::Lost("it didn't say who it is in time".to_owned()));
        let mut admitted = timeout(PATIENCE, admission).await.unwrap_or(late);
        if before != self.disconnects.load(Ordering::SeqCst) {
            // Perhaps it was this one, and the gate had not heard of it yet.
            admitted = Err(NotAdmitted::Lost("busy, try again".to_owned()));
        }
        match &admitted {
            Ok(_) => {}
            Err(NotAdmitted::ByUs(reason)) => {
                count(&self.counters.turned_away, 1);
                self.refused(node, true, reason).await;
            }
            Err(NotAdmitted::ByThem(_)) => {}
            Err(NotAdmitted::Violation(reason)) => {
                count(&self.counters.violations, 1);
                connection.close(VIOLATION, reason.as_bytes());
            }
            Err(NotAdmitted::Lost(reason)) => connection.close(GOODBYE, reason.as_bytes()),
        }
        admitted
    }

    /// The gate of a node said no, at once or later.
    pub(super) async fn turned_away(&self, peer: &Peer, reason: String) {
        count(&self.counters.turned_away_by_others, 1);
        lock(&peer.refusal).refused(Instant::now(), &reason);
        self.refused(peer.node, false, &reason).await;
    }

    async fn refused(&self, node: NodeId, by_us: bool, reason: &str) {
        if lock(&self.told).tells(Instant::now(), node, by_us) {
            self.emit(TransportEvent::Refused { node, by_us, reason: reason.to_owned() }).await;
        }
    }

    /// A new stream to a node.
    pub(super) async fn open(
        self: &Arc<Self>,
        to: NodeId,
    ) -> Result<(SendStream, RecvStream), FetchError> {
        let unreachable = |reason| FetchError::Unreachable { node: to, reason };
        let peer = self.peer(to).ok_or_else(|| unreachable("too many nodes".to_owned()))?;
        let connection = self.connect(&peer).await.map_err(unreachable)?;
        let opened = timeout(STREAM_TIMEOUT, connection.open_bi()).await;
        let opened = opened.map_err(|_| unreachable("too many streams are open".to_owned()))?;
        opened.map_err(|error| unreachable(error.to_string()))
    }

    /// Tries all ways to a node at once; begins anew if it turns out to be somewhere else.
    async fn dial(&self, peer: &Peer) -> Result<Connection, String> {
        let id = EndpointId::from_bytes(peer.node.as_bytes())
            .map_err(|_| "its id is not a public key".to_owned())?;
        let mut begun = 0;
        loop {
            begun += 1;
            let mut moved = std::pin::pin!(peer.moved.notified());
            moved.as_mut().enable();
            let Place { addresses, relay } = lock(&peer.place).clone();
            if addresses.is_empty() && relay.is_none() {
                return Err("no address is known".to_owned());
            }
            let ways = addresses.iter().map(ToString::to_string).chain(relay.clone());
            let ways = ways.collect::<Vec<_>>().join(", ");
            let mut target = addresses
                .iter()
                .fold(EndpointAddr::new(id), |target, address| target.with_ip_addr(*address));
            if let Some(relay) = relay.and_then(|relay| relay.parse().ok()) {
                target = target.with_relay_url(relay);
            }
            tokio::select! {
                dialled = timeout(DIAL_TIMEOUT, self.endpoint.connect(target, ALPN)) => {
                    return dialled
                        .map_err(|_| format!("no answer from {ways}"))?
                        .map_err(|error| format!("{ways}: {error:#}"));
                }
                () = moved, if begun < DIALS => {}
            }
        }
    }

    /// An open connection to a node.
    pub(super) async fn connect(self: &Arc<Self>, peer: &Arc<Peer>) -> Result<Connection, String> {
        if let Some(connection) = peer.live() {
            return Ok(connection);
        }
        let _dialing = peer.dialing.lock().await;
        if let Some(connection) = peer.live() {
            return Ok(connection);
        }
        if let Some(reason) = lock(&peer.refusal).hinders(Instant::now()) {
            count(&self.counters.dials_spared, 1);
            return Err(format!("it turned this node away: {reason}"));
        }
        let connection = self.dial(peer).await?;
        let question = admission::ask(&self.gate, peer.node, &connection);
        let control = match self.admitted(peer.node, &connection, question).await {
            Ok(control) => control,
            Err(error) => {
                let text = error.to_string();
                match error {
                    NotAdmitted::ByThem(reason) => self.turned_away(peer, reason).await,
                    // Dialling it again makes sense as seldom as if it had said no.
                    NotAdmitted::ByUs(reason) => {
                        lock(&peer.refusal).refused(Instant::now(), &reason);
                    }
                    _ => {}
                }
                return Err(text);
            }
        };
        connection::begin(self, peer, &connection, control);
        Ok(connection)
    }
}
