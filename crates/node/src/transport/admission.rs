//! The first bidirectional stream of a connection: who asks to come in, and how each end sees the other.
//!
//! ```text
//!   dialler: Hello ──▶   ◀── Welcome : acceptor        (or either closes with `REFUSED` and a reason)
//!            Seen ───▶   ◀── Seen                      as long as the connection lasts
//! ```
//!
//! A message is a length (four bytes, little-endian) and a frame (`outlast_types::wire`). Each end tells
//! the other the address under which it sees it, and again when that changes: how a node behind a NAT,
//! or with many addresses, learns how it is reached.
//!
//! Turning away is a close with a code and a reason, not a message: a close takes everything
//! else of the connection with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use iroh::TransportAddr;
use iroh::endpoint::{Connection, ConnectionError, PathList, RecvStream, SendStream, VarInt};
use outlast_types::{NodeId, wire};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::gate::{Gate, HELLO_BYTES, tidy};

/// The whole exchange, both gates included.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A message with the largest hello in it.
pub(super) const MESSAGE_BYTES: usize = HELLO_BYTES + 64;

/// An address and what is around it.
const SEEN_BYTES: usize = 64;

/// A path that flaps is told of no more often than this.
const SEEN_PAUSE: Duration = Duration::from_secs(1);

/// After a stream broke, the reason why the other end closed the connection comes at once or never.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// Close code: the gate says no.
pub(super) const REFUSED: VarInt = VarInt::from_u32(3);

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    Hello { shown: Vec<u8>, observed: Option<SocketAddr> },
    Welcome { answer: Vec<u8>, observed: Option<SocketAddr> },
    Seen { observed: Option<SocketAddr> },
}

/// Why a connection isn't used.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAdmitted {
    /// Our gate says no; the connection is closed.
    #[error("this node turned it away: {0}")]
    ByUs(String),
    /// Theirs does.
    #[error("it turned this node away: {0}")]
    ByThem(String),
    /// It speaks something else.
    #[error("it broke a rule: {0}")]
    Violation(String),
    /// It said nothing, or went away.
    #[error("{0}")]
    Lost(String),
}

/// The stream that stays open after the exchange.
#[derive(Debug)]
pub(super) struct Control {
    send: SendStream,
    recv: RecvStream,
    /// What the other end was told last.
    told: Option<SocketAddr>,
    /// How it saw us during the exchange; `None`: by a relay.
    pub(super) observed: Option<SocketAddr>,
}

/// The dialler's part.
pub(super) async fn ask(
    gate: &Arc<dyn Gate>,
    node: NodeId,
    connection: &Connection,
) -> Result<Control, NotAdmitted> {
    let theirs = Arc::clone(gate);
    let shown = blocking(move || theirs.hello(node)).await?;
    let told = seen(&connection.paths());
    let exchange = async {
        let (mut send, mut recv) = connection.open_bi().await.map_err(lost)?;
        write(&mut send, &Said::Hello { shown, observed: told }, MESSAGE_BYTES).await?;
        let said = read(&mut recv, MESSAGE_BYTES).await?;
        Ok((send, recv, said))
    };
    let (send, recv, said) = match exchange.await {
        Ok(done) => done,
        Err(error) => return Err(closed_by_them(connection).await.unwrap_or(error)),
    };
    let Said::Welcome { answer, observed } = said else {
        return Err(NotAdmitted::Violation("expected a welcome".to_owned()));
    };
    let gate = Arc::clone(gate);
    decide(connection, move || gate.confirm(node, &answer)).await?;
    Ok(Control { send, recv, told, observed })
}

/// The acceptor's part.
pub(super) async fn answer(
    gate: &Arc<dyn Gate>,
    node: NodeId,
    connection: &Connection,
) -> Result<Control, NotAdmitted> {
    let (mut send, mut recv) = connection.accept_bi().await.map_err(lost)?;
    let Said::Hello { shown, observed } = read(&mut recv, MESSAGE_BYTES).await? else {
        return Err(NotAdmitted::Violation("expected a hello".to_owned()));
    };
    let gate = Arc::clone(gate);
    let answer = decide(connection, move || gate.admit(node, &shown)).await?;
    let told = seen(&connection.paths());
    write(&mut send, &Said::Welcome { answer, observed: told }, MESSAGE_BYTES).await?;
    Ok(Control { send, recv, told, observed })
}

/// Asks the gate; closes the connection if it says no.
async fn decide<T: Send + 'static>(
    connection: &Connection,
    gate: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, NotAdmitted> {
    blocking(gate).await?.map_err(|reason| {
        let reason = tidy(&reason);
        connection.close(REFUSED, reason.as_bytes());
        NotAdmitted::ByUs(reason)
    })
}

/// Tells the other end when it is seen under another address, and hears the same from it. Ends only
/// with what the other end did wrong.
pub(super) async fn keep(
    connection: &Connection,
    control: Control,
    mut heard: impl FnMut(Option<SocketAddr>),
) -> String {
    let Control { mut send, mut recv, mut told, .. } = control;
    let tell = async {
        let mut paths = connection.paths_stream();
        while let Some(list) = paths.next().await {
            let observed = seen(&list);
            if observed != told {
                told = observed;
                // If it can't be told the connection is about to end.
                let _ = write(&mut send, &Said::Seen { observed }, SEEN_BYTES).await;
                tokio::time::sleep(SEEN_PAUSE).await;
            }
        }
        std::future::pending::<String>().await
    };
    let listen = async {
        loop {
            match read(&mut recv, SEEN_BYTES).await {
                Ok(Said::Seen { observed }) => heard(observed),
                Ok(_) => return "a second greeting".to_owned(),
                Err(NotAdmitted::Violation(reason)) => return reason,
                // The stream is over, or the connection.
                Err(_) => std::future::pending().await,
            }
        }
    };
    tokio::select! {
        reason = tell => reason,
        reason = listen => reason,
    }
}

/// The address of the path in use; `None`: a relay's.
fn seen(paths: &PathList<'_>) -> Option<SocketAddr> {
    let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next())?;
    match path.remote_addr() {
        TransportAddr::Ip(address) => {
            Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
        }
        _ => None,
    }
}

/// The reason, if the other end closed the connection since its gate says no.
pub(super) fn refusal(error: &ConnectionError) -> Option<String> {
    match error {
        ConnectionError::ApplicationClosed(close) if close.error_code == REFUSED => {
            Some(tidy(&String::from_utf8_lossy(&close.reason)))
        }
        _ => None,
    }
}

async fn closed_by_them(connection: &Connection) -> Option<NotAdmitted> {
    let closed = timeout(CLOSE_WAIT, connection.closed()).await.ok()?;
    refusal(&closed).map(NotAdmitted::ByThem)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotAdmitted> {
    // Fails if the gate panicked, or while the runtime goes down: no admission either way.
    spawn_blocking(work).await.map_err(lost)
}

fn lost(error: impl std::fmt::Display) -> NotAdmitted {
    NotAdmitted::Lost(error.to_string())
}

async fn write(send: &mut SendStream, said: &Said, limit: usize) -> Result<(), NotAdmitted> {
    let frame = wire::encode(said, limit).map_err(lost)?;
    let mut bytes = u32::try_from(frame.len()).map_err(lost)?.to_le_bytes().to_vec();
    bytes.extend(frame);
    send.write_all(&bytes).await.map_err(lost)
}

/// Reads one message; allocates no more than `limit`, whatever the length says.
async fn read(recv: &mut RecvStream, limit: usize) -> Result<Said, NotAdmitted> {
    let mut length = [0; 4];
    recv.read_exact(&mut length).await.map_err(lost)?;
    let length = u32::from_le_bytes(length) as usize;
    if !(1..=limit).contains(&length) {
        let reason = format!("a greeting of {length} bytes, expected 1 to {limit}");
        return Err(NotAdmitted::Violation(reason));
    }
    let mut frame = vec![0; length];
    recv.read_exact(&mut frame).await.map_err(lost)?;
    wire::decode(&frame, limit).map_err(|error| NotAdmitted::Violation(error.to_string()))
}
