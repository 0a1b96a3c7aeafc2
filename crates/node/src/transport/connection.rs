//! The life of one connection, and of the task that sends to one node.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use iroh::endpoint::{Connection, ConnectionError, SendStream, VarInt};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::admission::{self, Control};
use super::frames::{self, Splitter};
use super::iroh_transport::{Inner, lock};
use super::peer::{Peer, traffic};
use super::{TransportEvent, Violation, count};

/// Frames are gathered into writes of about this size.
const BATCH_BYTES: usize = 64 << 10;

/// Read from a stream of frames at a time.
const READ_BYTES: usize = 64 << 10;

/// First and longest pause between attempts to reach a node.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Streams served at a time for one node: a slow one must not keep all turns to itself.
const SERVES_OF_ONE: usize = 8;

/// Frames go before other streams on the same connection.
const FRAMES_PRIORITY: i32 = 1;

/// Frames that arrived before a goodbye are read after it, for so long: a leaving node's last words among them.
const DRAIN: Duration = Duration::from_secs(2);

/// Close codes.
pub(super) const GOODBYE: VarInt = VarInt::from_u32(0);
pub(super) const VIOLATION: VarInt = VarInt::from_u32(1);

/// Makes an admitted connection known, and serves it until it closes.
pub(super) fn begin(
    inner: &Arc<Inner>,
    peer: &Arc<Peer>,
    connection: &Connection,
    control: Control,
) {
    lock(&peer.refusal).forget();
    inner.observed(peer.node, control.observed);
    let replaced = peer.add(connection);
    let (peer, connection) = (Arc::clone(peer), connection.clone());
    inner.runtime.spawn(live(Arc::clone(inner), peer, connection, control, replaced));
}

/// Tells when it was the last connection of its node, or if it replaced a dead one.
async fn live(
    inner: Arc<Inner>,
    peer: Arc<Peer>,
    connection: Connection,
    control: Control,
    replaced: bool,
) {
    if replaced {
        inner.emit(TransportEvent::Down { node: peer.node }).await;
    }
    let mut phase = inner.phase.subscribe();
    let mut reading = pin!(read_frames(&inner, &peer, &connection));
    tokio::select! {
        violation = &mut reading => {
            violated(&inner, &connection, violation);
        }
        violation = serve_streams(&inner, &peer, &connection) => {
            violated(&inner, &connection, violation);
        }
        violation = admission::keep(&connection, control, |seen| inner.observed(peer.node, seen)) => {
            violated(&inner, &connection, Some(violation));
        }
        reason = connection.closed() => {
            if said_goodbye(&reason) {
                let _ = tokio::time::timeout(DRAIN, reading).await;
            }
        }
        () = ended(&mut phase) => connection.close(GOODBYE, b"goodbye"),
    }
    if let Some(reason) = connection.close_reason().as_ref().and_then(admission::refusal) {
        inner.turned_away(&peer, reason).await;
    }
    let others = peer.remove(&connection);
    inner.counters.is_over(traffic(&connection));
    if !others {
        inner.emit(TransportEvent::Down { node: peer.node }).await;
    }
}

fn said_goodbye(reason: &ConnectionError) -> bool {
    matches!(reason, ConnectionError::ApplicationClosed(close) if close.error_code == GOODBYE)
}

/// How far the transport is on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It isn't.
    Open,
    /// No new frames; those that are queued still go out.
    Flush,
    /// All tasks stop.
    End,
}

pub(super) async fn ended(phase: &mut watch::Receiver<Phase>) {
    // An error says that the transport itself is gone, which is the same.
    let _ = phase.wait_for(|phase| *phase == Phase::End).await;
}

fn violated(inner: &Inner, connection: &Connection, reason: Option<String>) {
    if let Some(reason) = reason {
        count(&inner.counters.violations, 1);
        tracing::warn!(node = %connection.remote_id().fmt_short(), reason, "connection closed");
        connection.close(VIOLATION, reason.as_bytes());
    } else if connection.close_reason().is_none() {
        // Otherwise the reason that the other end gave would be lost.
        connection.close(GOODBYE, b"goodbye");
    }
}

/// The one stream of frames of a connection. Returns what was wrong; `None`: nothing, it is over.
async fn read_frames(inner: &Inner, peer: &Peer, connection: &Connection) -> Option<String> {
    let mut stream = connection.accept_uni().await.ok()?;
    let mut splitter = Splitter::default();
    let read = async {
        while let Ok(Some(bytes)) = stream.read_chunk(READ_BYTES).await {
            splitter.push(&bytes);
            loop {
                match splitter.next() {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        count(&inner.counters.frames_received, 1);
                        inner.emit(TransportEvent::Frame { from: peer.node, frame }).await;
                    }
                    Err(error) => return Some(error.to_string()),
                }
            }
        }
        None
    };
    tokio::select! {
        reason = read => reason,
        // Without a connection there is no second one, and what has arrived is still to be read.
        Ok(_) = connection.accept_uni() => Some("a second stream of frames".to_owned()),
    }
}

/// Serves streams as long as the connection lasts. Returns what was wrong.
async fn serve_streams(inner: &Arc<Inner>, peer: &Peer, connection: &Connection) -> Option<String> {
    // Dropped with this future, and the streams with it. QUIC bounds how many are open at a time.
    let mut requests = JoinSet::new();
    let turns = Arc::new(Semaphore::new(SERVES_OF_ONE));
    let node = peer.node;
    loop {
        tokio::select! {
            stream = connection.accept_bi() => {
                let (send, recv) = stream.ok()?;
                let (inner, turns) = (Arc::clone(inner), Arc::clone(&turns));
                requests.spawn(async move {
                    // Neither is ever closed. First the node's own turn, so that it waits for the common one once.
                    let _own = turns.acquire().await.ok();
                    let _turn = inner.serves.acquire().await.ok();
                    inner.streams.serve(node, send, recv).await?;
                    count(&inner.counters.streams_served, 1);
                    Ok::<_, Violation>(())
                });
            }
            Some(done) = requests.join_next() => {
                if let Ok(Err(error)) = done {
                    return Some(error.to_string());
                }
            }
        }
    }
}

/// Sends the frames that are queued for a node, for as long as it is known.
///
/// ```text
///           frame queued              open stream
///  waiting ─────────────▶ connecting ────────────▶ sending ──▶ waiting (or connecting, if lost)
///                           │ fails: drop what is queued, say Down
///                           └──▶ pausing, 0.1 s to 5 s; shorter if the node itself gets in touch
/// ```
pub(super) async fn send_loop(inner: Arc<Inner>, peer: Arc<Peer>) {
    let mut phase = inner.phase.subscribe();
    tokio::select! {
        () = send_frames(&inner, &peer) => {}
        () = ended(&mut phase) => {}
    }
    inner.senders.send_modify(|senders| *senders -= 1);
}

async fn send_frames(inner: &Arc<Inner>, peer: &Arc<Peer>) {
    let mut current: Option<(Connection, SendStream)> = None;
    let mut pause = BACKOFF.0;
    let mut phase = inner.phase.subscribe();
    loop {
        if peer.is_closed() {
            return;
        }
        let is_last = *phase.borrow_and_update() != Phase::Open;
        let Some(frame) = peer.pop() else {
            if is_last {
                if let Some((_, mut stream)) = current
                    && stream.finish().is_ok()
                {
                    // Until all of it has been acknowledged; `shutdown` waits for no longer than it wants.
                    let _ = stream.stopped().await;
                }
                return;
            }
            tokio::select! {
                () = peer.changed.notified() => {}
                _ = phase.changed() => {}
            }
            continue;
        };
        current = current.filter(|(connection, _)| connection.close_reason().is_none());
        if current.is_none() && is_last && peer.live().is_none() {
            count(&inner.counters.frames_dropped, 1 + peer.clear() as u64);
            return;
        }
        if current.is_none() {
            current = open(inner, peer).await;
        }
        let Some((connection, stream)) = &mut current else {
            count(&inner.counters.frames_dropped, 1 + peer.clear() as u64);
            inner.emit(TransportEvent::Down { node: peer.node }).await;
            back_off(peer, pause).await;
            pause = (pause * 2).min(BACKOFF.1);
            continue;
        };
        pause = BACKOFF.0;
        let (batch, frames) = gather(peer, frame);
        if stream.write_chunk(batch).await.is_ok() {
            count(&inner.counters.frames_sent, frames);
        } else {
            count(&inner.counters.frames_dropped, frames);
            // If only the stream was refused: a connection has no second one.
            connection.close(GOODBYE, b"frames refused");
            current = None;
        }
    }
}

/// Returns at once if the node gets in touch or becomes known under other addresses.
async fn back_off(peer: &Peer, pause: Duration) {
    let place = lock(&peer.place).clone();
    let news = async {
        loop {
            peer.changed.notified().await;
            if peer.is_closed() || peer.live().is_some() || *lock(&peer.place) != place {
                // `send_frames` may be waiting for the very same notice.
                peer.changed.notify_one();
                return;
            }
        }
    };
    let _ = tokio::time::timeout(pause, news).await;
}

async fn open(inner: &Arc<Inner>, peer: &Arc<Peer>) -> Option<(Connection, SendStream)> {
    let connection = inner.connect(peer).await.ok()?;
    let stream = connection.open_uni().await.ok()?;
    let _ = stream.set_priority(FRAMES_PRIORITY);
    Some((connection, stream))
}

/// A frame and what else fits into one write.
fn gather(peer: &Peer, first: Bytes) -> (Bytes, u64) {
    let mut batch = BytesMut::new();
    let mut count = 1;
    frames::put(&mut batch, &first);
    while batch.len() < BATCH_BYTES
        && let Some(frame) = peer.pop()
    {
        frames::put(&mut batch, &frame);
        count += 1;
    }
    (batch.freeze(), count)
}
