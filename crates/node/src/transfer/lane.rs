//! A stream to a node, on which a session asks for pieces. Requests are written without waiting for
//! the answers of earlier ones, which come in the same order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{RecvStream, SendStream};
use outlast_stage::chunks::MAX_BYTES;
use outlast_stage::swarm::{Ask, Event, Piece, RequestId};
use outlast_stage::wire::{HEADER_BYTES, PieceHeader, Request, runs};
use outlast_types::{Hash, NodeId};
use tokio::sync::{Semaphore, mpsc};

use super::io::{IoError, blocking, exact, write};
use crate::store::{Holder, Partial, Store, StoreError};
use crate::transport::Transport;

/// A lane on which nothing is asked for so long is closed: it holds a turn at the other end.
const IDLE: Duration = Duration::from_secs(2);

/// Requests whose pieces wait to be hashed and written, of one lane: what a disk that is slower than the network
/// may be behind.
const UNWRITTEN: usize = 4;

/// What a lane knows about what it is asked for.
#[derive(Clone)]
pub(super) struct Errand {
    pub(super) request: RequestId,
    pub(super) ask: Ask,
    /// Bytes of each piece.
    pub(super) lengths: Vec<u32>,
    /// Where chunks go; `None`: whole blobs.
    pub(super) partial: Option<Arc<Partial>>,
}

/// What a lane tells its session.
pub(super) enum News {
    Swarm(Event),
    /// A request was answered.
    Over(u64, RequestId),
    /// A lane ended; what it still owes won't come.
    Closed {
        lane: u64,
        reason: String,
    },
    /// Our own store refuses.
    Store(StoreError),
}

/// What a lane is made of.
pub(super) struct Lane {
    pub(super) number: u64,
    pub(super) node: NodeId,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) store: Arc<Store>,
    pub(super) holder: Holder,
    pub(super) moved: Arc<super::Moved>,
    pub(super) news: mpsc::Sender<News>,
}

impl Lane {
    /// Runs until nothing is asked any more, or something breaks.
    pub(super) async fn run(self, mut errands: mpsc::UnboundedReceiver<Errand>) {
        let reason = match self.transport.open(self.node).await {
            Ok((send, recv)) => {
                // No more than there are errands.
                let (sent, answers) = mpsc::unbounded_channel();
                let asked = ask(send, &mut errands, sent);
                let answered = self.answers(recv, answers);
                let result = tokio::try_join!(asked, answered);
                result.err().map_or_else(String::new, |error| error.to_string())
            }
            Err(error) => error.to_string(),
        };
        // The session ended first otherwise.
        let _ = self.news.send(News::Closed { lane: self.number, reason }).await;
    }

    async fn answers(
        &self,
        mut recv: RecvStream,
        mut asked: mpsc::UnboundedReceiver<Errand>,
    ) -> Result<(), IoError> {
        let unwritten = Arc::new(Semaphore::new(UNWRITTEN));
        while let Some(errand) = asked.recv().await {
            let mut pieces = Vec::with_capacity(errand.lengths.len());
            for (piece, &length) in errand.ask.pieces().into_iter().zip(&errand.lengths) {
                let mut header = [0; HEADER_BYTES];
                exact(&mut recv, &mut header).await?;
                let header = PieceHeader::decode(header, length)
                    .map_err(|error| IoError::Nonsense(error.to_string()))?;
                let bytes = match header {
                    PieceHeader::Missing => None,
                    PieceHeader::Found(length) => {
                        let mut bytes = vec![0; length.min(MAX_BYTES) as usize];
                        exact(&mut recv, &mut bytes).await?;
                        Some(bytes)
                    }
                };
                pieces.push((piece, bytes));
            }
            // Never closed.
            let turn = Arc::clone(&unwritten).acquire_owned().await.ok();
            let (store, holder, news) = (Arc::clone(&self.store), self.holder, self.news.clone());
            let (lane, moved) = (self.number, Arc::clone(&self.moved));
            tokio::spawn(async move {
                let request = errand.request;
                let taken = blocking(move || {
                    let take = |(piece, bytes): (Piece, Option<Vec<u8>>)| {
                        let Some(bytes) = bytes else {
                            return Ok(Event::Lacks { request, piece });
                        };
                        let length = bytes.len() as u64;
                        let partial = errand.partial.as_deref();
                        let event = take(&store, partial, holder, request, piece, &bytes)?;
                        if matches!(event, Event::Arrived { .. }) {
                            super::add(&moved.fetched, length);
                        }
                        Ok(event)
                    };
                    pieces.into_iter().map(take).collect::<Vec<Result<Event, StoreError>>>()
                });
                for event in taken.await.unwrap_or_default() {
                    let event = event.map_or_else(News::Store, News::Swarm);
                    let _ = news.send(event).await;
                }
                let _ = news.send(News::Over(lane, request)).await;
                drop(turn);
            });
        }
        Ok(())
    }
}

/// Writes requests as they come.
async fn ask(
    mut send: SendStream,
    errands: &mut mpsc::UnboundedReceiver<Errand>,
    sent: mpsc::UnboundedSender<Errand>,
) -> Result<(), IoError> {
    while let Ok(Some(errand)) = tokio::time::timeout(IDLE, errands.recv()).await {
        let request = match &errand.ask {
            Ask::Pieces { blob, indexes } => {
                Request::Pieces { blob: *blob, runs: runs(indexes.iter().copied()) }
            }
            Ask::Blobs(blobs) => Request::Blobs { blobs: blobs.clone() },
        };
        let bytes = request.encode().map_err(|error| IoError::Nonsense(error.to_string()))?;
        // First, so that the answer finds it.
        let _ = sent.send(errand);
        write(&mut send, bytes).await?;
    }
    let _ = send.finish();
    Ok(())
}

/// Looks whether these are the bytes, and keeps them.
fn take(
    store: &Arc<Store>,
    partial: Option<&Partial>,
    holder: Holder,
    request: RequestId,
    piece: Piece,
    bytes: &[u8],
) -> Result<Event, StoreError> {
    let kept = match partial {
        Some(partial) => partial.write(piece.index, bytes),
        None if Hash::of(bytes) == piece.blob => store.put_bytes(bytes, holder).map(drop),
        None => return Ok(Event::Wrong { request, piece }),
    };
    match kept {
        Ok(()) => Ok(Event::Arrived { request: Some(request), piece }),
        Err(StoreError::Mismatch { .. }) => Ok(Event::Wrong { request, piece }),
        Err(error) => Err(error),
    }
}

/// A lane as its session sees it.
pub(super) struct Handle {
    pub(super) node: NodeId,
    pub(super) errands: mpsc::UnboundedSender<Errand>,
    /// What it owes.
    pub(super) owed: BTreeMap<RequestId, ()>,
    pub(super) task: tokio::task::JoinHandle<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}
