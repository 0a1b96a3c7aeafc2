//! [`Transport`] over iroh: an endpoint, the nodes it knows, and the tasks between them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use iroh::endpoint::{
    BindError, Connection, Incoming, NetReportConfig, PortmapperConfig, QuicTransportConfig,
    RecvStream, SendStream, VarInt, presets,
};
use iroh::{Endpoint, RelayMode, RelayUrl};
use outlast_types::{NodeId, limits};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::admission::REFUSED;
use super::connection::Phase;
use super::gate::tidy;
use super::lan::{TAGS, Tag};
use super::peer::{ADDRESSES, Peer};
use super::reach::{Lan, Observations, Place, Reach, RelayState};
use super::refusals::Told;
use super::{
    BoxFuture, Counters, FetchError, Gate, KeyError, NodeKey, StreamHandler, Transport,
    TransportEvent, connection, count, frames, lan, relay,
};

/// The protocol that both ends have to speak.
pub(super) const ALPN: &[u8] = b"outlast/2";

/// Nodes known at a time: all members and as many that come and go.
const PEERS: usize = 2 * limits::MEMBERS;

/// A node that doesn't answer within this time can't be reached.
pub(super) const DIAL_TIMEOUT: Duration = Duration::from_secs(5);

/// A quiet connection is kept alive with this interval (longer than between the heartbeats of a node at rest,
/// which are signs of life as well), and dead after so long without a sign of
/// life: a killed worker's leases go to others that soon.
const KEEP_ALIVE: Duration = Duration::from_millis(2200);
const IDLE_TIMEOUT_MS: u32 = 4_000;

/// At the end, queued frames have so long to be acknowledged: those that say goodbye among them.
const FLUSH: Duration = Duration::from_secs(2);

/// Handshakes at a time; the rest wait or time out.
const HANDSHAKES: usize = 64;

/// Streams served at a time, of all nodes together: bounds open files and buffers.
const SERVES: usize = 64;

/// Streams that one connection may have open: the one of the admission, and requests.
const STREAMS: u32 = 17;

/// One stream of frames; a second one is a violation that we want to see.
const FRAME_STREAMS: u32 = 2;

/// How often it is looked whether this machine has other addresses.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Between two moves that all members are told of.
const MOVE_PAUSE: Duration = Duration::from_secs(1);

/// What a transport is made of.
pub struct TransportOptions {
    /// This node's key.
    pub key: NodeKey,
    /// At most one IPv4 and one IPv6 address; port 0: any.
    pub listen: Vec<SocketAddr>,
    /// Relays to be reached at; without any, none is ever used.
    pub relays: Vec<RelayUrl>,
    /// Nodes of the LAN may find this one, and it them, once there is something to announce.
    pub lan: bool,
    /// Who may speak with this node.
    pub gate: Arc<dyn Gate>,
    /// Serves the streams that other nodes open.
    pub streams: Arc<dyn StreamHandler>,
    /// Where events go.
    pub events: mpsc::Sender<TransportEvent>,
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Two addresses of a family, or none at all.
    #[error("listen on {0:?}: expected one IPv4 address, one IPv6 address or one of each")]
    Listen(Vec<SocketAddr>),
    /// An address is in use, or isn't this machine's.
    #[error("listening on {}: {source}", join(.listen))]
    Bind {
        /// The addresses.
        listen: Vec<SocketAddr>,
        /// What the kernel said.
        source: io::Error,
    },
    /// This node's key can't be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// iroh couldn't be set up.
    #[error("setting up the network: {0}")]
    Endpoint(String),
}

fn join(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// QUIC by iroh. Call [`Transport::shutdown`] before dropping it: otherwise other nodes notice only by silence.
pub struct IrohTransport {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) endpoint: Endpoint,
    id: NodeId,
    pub(super) gate: Arc<dyn Gate>,
    pub(super) streams: Arc<dyn StreamHandler>,
    /// How often a node was disconnected: who was let in before that is asked again.
    pub(super) disconnects: AtomicU64,
    pub(super) told: Mutex<Told>,
    observations: Mutex<Observations>,
    /// In the order of the configuration.
    pub(super) relays: Mutex<Vec<RelayState>>,
    lan: Mutex<Lan>,
    tags: watch::Sender<Vec<Tag>>,
    /// How this node is reached may have changed.
    pub(super) moved: Notify,
    events: mpsc::Sender<TransportEvent>,
    pub(super) peers: Mutex<BTreeMap<NodeId, Arc<Peer>>>,
    pub(super) counters: Counters,
    pub(super) serves: Semaphore,
    handshakes: Arc<Semaphore>,
    /// Where all tasks run, so that anybody may call from any thread.
    pub(super) runtime: Handle,
    pub(super) phase: watch::Sender<Phase>,
    /// How many tasks send frames.
    pub(super) senders: watch::Sender<usize>,
}

impl IrohTransport {
    /// Binds and starts to accept. Sends nothing to anybody. Its tasks run on the tokio runtime that
    /// this is called on.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn bind(options: TransportOptions) -> Result<Self, TransportError> {
        let TransportOptions { key, listen, relays, lan, gate, streams, events } = options;
        let v4 = listen.iter().filter(|address| address.is_ipv4()).count();
        if listen.is_empty() || v4 > 1 || listen.len() - v4 > 1 {
            return Err(TransportError::Listen(listen));
        }
        let other = |error: &dyn std::fmt::Display| TransportError::Endpoint(error.to_string());
        let mut builder = Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .clear_address_lookup()
            .dns_resolver(relay::resolver())
            .portmapper_config(PortmapperConfig::Disabled)
            .net_report_config(NetReportConfig::minimal())
            .secret_key(key.0.clone())
            .alpns(vec![ALPN.to_vec()])
            .transport_config(quic())
            .clear_ip_transports();
        if !relays.is_empty() {
            // Whichever relay answers first is used.
            let mut report = NetReportConfig::minimal();
            report.https_probes = true;
            let mode = RelayMode::Custom(relay::map(&relays));
            builder = builder.relay_mode(mode).net_report_config(report);
        }
        let alone = listen.iter().all(|address| address.ip().is_loopback());
        for address in &listen {
            builder = builder.bind_addr(*address).map_err(|error| other(&error))?;
        }
        let endpoint = builder.bind().await.map_err(|error| match error {
            BindError::Sockets { source, .. } => TransportError::Bind { listen, source },
            error => other(&error),
        })?;
        let inner = Arc::new(Inner {
            endpoint,
            id: key.id(),
            gate,
            streams,
            disconnects: AtomicU64::new(0),
            told: Mutex::default(),
            observations: Mutex::default(),
            relays: Mutex::new(relay::unknown(&relays)),
            lan: Mutex::new(if lan && alone { Lan::Loopback } else { Lan::Off }),
            tags: watch::Sender::default(),
            moved: Notify::new(),
            events,
            peers: Mutex::default(),
            counters: Counters::default(),
            serves: Semaphore::new(SERVES),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            runtime: Handle::current(),
            phase: watch::Sender::new(Phase::Open),
            senders: watch::Sender::new(0),
        });
        tokio::spawn(accept_loop(Arc::clone(&inner)));
        tokio::spawn(tell_moves(Arc::clone(&inner)));
        if !relays.is_empty() {
            tokio::spawn(relay::watch(Arc::clone(&inner)));
        }
        if lan && !alone {
            tokio::spawn(lan::run(Arc::clone(&inner), inner.tags.subscribe()));
        }
        Ok(Self { inner })
    }
}

fn quic() -> QuicTransportConfig {
    QuicTransportConfig::builder()
        .keep_alive_interval(KEEP_ALIVE)
        .default_path_keep_alive_interval(KEEP_ALIVE)
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_TIMEOUT_MS).into()))
        .default_path_max_idle_timeout(Duration::from_millis(u64::from(IDLE_TIMEOUT_MS)))
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(FRAME_STREAMS))
        .datagram_receive_buffer_size(None)
        .build()
}

/// Says where this node is to be looked for, whenever that changes.
async fn tell_moves(inner: Arc<Inner>) {
    let mut phase = inner.phase.subscribe();
    let mut told = inner.place();
    let mut external = Vec::new();
    loop {
        tokio::select! {
            () = inner.moved.notified() => {}
            // Interfaces come and go without a word.
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = connection::ended(&mut phase) => return,
        }
        let place = inner.place();
        inner.hand_to_iroh(&mut external).await;
        if place != told {
            told = place.clone();
            inner.emit(TransportEvent::Moved(place)).await;
            tokio::time::sleep(MOVE_PAUSE).await;
        }
    }
}

async fn accept_loop(inner: Arc<Inner>) {
    let mut phase = inner.phase.subscribe();
    loop {
        let incoming = tokio::select! {
            incoming = inner.endpoint.accept() => incoming,
            () = connection::ended(&mut phase) => None,
        };
        let Some(incoming) = incoming else { return };
        let Ok(turn) = Arc::clone(&inner.handshakes).try_acquire_owned() else {
            count(&inner.counters.refused, 1);
            incoming.refuse();
            continue;
        };
        let inner = Arc::clone(&inner);
        tokio::spawn(async move {
            let accepted = timeout(DIAL_TIMEOUT, handshake(incoming)).await;
            if let Ok(Some(connection)) = accepted {
                inner.adopt(&connection).await;
            }
            drop(turn);
        });
    }
}

/// What fails here is the business of whoever dialled.
async fn handshake(incoming: Incoming) -> Option<Connection> {
    incoming.accept().ok()?.await.ok()
}

impl Inner {
    /// Waits while nobody takes the events; drops them at the end.
    pub(super) async fn emit(&self, event: TransportEvent) {
        let mut phase = self.phase.subscribe();
        tokio::select! {
            biased;
            () = connection::ended(&mut phase) => {}
            _ = self.events.send(event) => {}
        }
    }

    /// The peer of this key, new if need be. `None` if there are too many.
    pub(super) fn peer(self: &Arc<Self>, node: NodeId) -> Option<Arc<Peer>> {
        let mut peers = lock(&self.peers);
        if let Some(peer) = peers.get(&node) {
            return Some(Arc::clone(peer));
        }
        if peers.len() >= PEERS {
            let idle = peers.values().find(|peer| peer.close_if_idle()).map(|peer| peer.node);
            peers.remove(&idle?);
        }
        let peer = Peer::new(node);
        peers.insert(node, Arc::clone(&peer));
        self.senders.send_modify(|senders| *senders += 1);
        self.runtime.spawn(connection::send_loop(Arc::clone(self), Arc::clone(&peer)));
        Some(peer)
    }

    /// A node says under which address it sees this one.
    pub(super) fn observed(&self, node: NodeId, seen: Option<SocketAddr>) {
        lock(&self.observations).note(Instant::now(), node, seen);
        self.moved.notify_one();
    }

    /// Whether this is news.
    pub(super) fn set_lan(&self, lan: Lan) -> bool {
        std::mem::replace(&mut *lock(&self.lan), lan.clone()) != lan
    }

    /// See [`Transport::addresses`].
    pub(super) fn listens(&self) -> Vec<SocketAddr> {
        let interfaces = outlast_os::host::interface_addresses().unwrap_or_default();
        let mut addresses = Vec::new();
        for bound in self.endpoint.bound_sockets() {
            if bound.ip().is_unspecified() {
                let same = interfaces.iter().filter(|ip| ip.is_ipv4() == bound.is_ipv4());
                addresses.extend(same.map(|ip| SocketAddr::new(*ip, bound.port())));
            } else {
                addresses.push(bound);
            }
        }
        addresses.truncate(ADDRESSES);
        addresses
    }

    /// Where there is a relay, iroh tells the other end of a connection where else to try: the addresses under which
    /// others see this node are what gets two nodes behind NATs together.
    async fn hand_to_iroh(&self, known: &mut Vec<SocketAddr>) {
        if lock(&self.relays).is_empty() {
            return;
        }
        let now = lock(&self.observations).others(&self.listens());
        for old in known.iter().filter(|old| !now.contains(old)) {
            self.endpoint.remove_external_addr(old).await;
        }
        for new in now.iter().filter(|new| !known.contains(new)) {
            self.endpoint.add_external_addr(*new).await;
        }
        *known = now;
    }

    fn place(&self) -> Place {
        let addresses = lock(&self.observations).place(self.listens());
        Place { addresses, relay: relay::home(&lock(&self.relays)) }
    }
}

impl Transport for IrohTransport {
    fn id(&self) -> NodeId {
        self.inner.id
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.inner.listens()
    }

    fn place(&self) -> Place {
        self.inner.place()
    }

    fn reach(&self) -> Reach {
        Reach {
            listens: self.inner.listens(),
            observed: lock(&self.inner.observations).list(Instant::now()),
            relays: lock(&self.inner.relays).clone(),
            lan: lock(&self.inner.lan).clone(),
        }
    }

    fn announce(&self, mut tags: Vec<Tag>) {
        tags.sort();
        tags.dedup();
        tags.truncate(TAGS);
        self.inner.tags.send_if_modified(|old| std::mem::replace(old, tags.clone()) != tags);
    }

    fn learn(&self, node: NodeId, addresses: &[SocketAddr], relay: Option<&str>) {
        if node == self.inner.id {
            return;
        }
        if let Some(peer) = self.inner.peer(node) {
            let addresses = addresses.iter().copied().take(ADDRESSES).collect();
            let relay = relay.filter(|_| !lock(&self.inner.relays).is_empty()).map(str::to_owned);
            peer.learn(Place { addresses, relay });
        }
    }

    fn send(&self, to: NodeId, frame: Bytes) {
        let sent = if !frames::is_valid(&frame) || *self.inner.phase.borrow() != Phase::Open {
            false
        } else if to == self.inner.id {
            let event = TransportEvent::Frame { from: to, frame };
            self.inner.events.try_send(event).is_ok()
        } else {
            self.inner.peer(to).is_some_and(|peer| peer.push(frame))
        };
        if !sent {
            count(&self.inner.counters.frames_dropped, 1);
        }
    }

    fn open(&self, to: NodeId) -> BoxFuture<Result<(SendStream, RecvStream), FetchError>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { inner.open(to).await })
    }

    fn disconnect(&self, node: NodeId, reason: &str) {
        self.inner.disconnects.fetch_add(1, Ordering::SeqCst);
        let peer = lock(&self.inner.peers).get(&node).cloned();
        if let Some(peer) = peer {
            let dropped = peer.disconnect(REFUSED, tidy(reason).as_bytes());
            count(&self.inner.counters.frames_dropped, dropped as u64);
        }
    }

    fn forget_refusals(&self) {
        for peer in lock(&self.inner.peers).values() {
            lock(&peer.refusal).forget();
            peer.changed.notify_one();
        }
    }

    fn counters(&self) -> &Counters {
        let counters = &self.inner.counters;
        // First what is over: a connection that ends meanwhile is missed once, and never counted twice.
        let mut seen = counters.traffic_of_the_past();
        for peer in lock(&self.inner.peers).values() {
            let (sent, received) = peer.traffic();
            seen = (seen.0 + sent, seen.1 + received);
        }
        counters.saw_traffic(seen);
        counters
    }

    fn shutdown(&self) -> BoxFuture<()> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            inner.phase.send_replace(Phase::Flush);
            let mut senders = inner.senders.subscribe();
            let _ = timeout(FLUSH, senders.wait_for(|senders| *senders == 0)).await;
            inner.phase.send_replace(Phase::End);
            inner.endpoint.close().await;
        })
    }
}

impl Drop for IrohTransport {
    fn drop(&mut self) {
        self.inner.phase.send_replace(Phase::End);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
