//! Gives other nodes what is here.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use iroh::endpoint::{RecvStream, SendStream};
use outlast_stage::chunks::{ChunkList, MAX_BYTES};
use outlast_stage::wire::{
    self, Have, ListAnswer, PieceHeader, REQUEST_BYTES, Request, Run, encode_holders, indexes,
};
use outlast_types::{Hash, NodeId};

use super::holders::Holders;
use super::io::{IoError, blocking, frame, write};
use super::{Moved, add};
use crate::store::{Partial, Store};
use crate::transport::{BoxFuture, StreamHandler, Violation};

/// A stream on which nothing is asked for so long is given up: it holds a turn.
const IDLE: Duration = Duration::from_secs(5);

/// Large blobs that a stream keeps open: their lists are long.
const OPEN: usize = 4;

/// Bytes read from the disk before they are sent.
const BATCH_BYTES: usize = 1 << 20;

/// Serves blobs out of a store.
pub struct Server {
    store: Arc<Store>,
    moved: Arc<Moved>,
    holders: Arc<Mutex<Holders>>,
}

/// A blob that is served, kept open between requests on a stream.
enum Source {
    Whole { file: File, list: ChunkList },
    Partial(Arc<Partial>),
}

impl Source {
    fn find(store: &Arc<Store>, hash: &Hash) -> Option<Self> {
        if let Ok((file, _)) = store.open_blob(hash)
            && let Ok(list) = store.chunk_list(hash)
        {
            return Some(Self::Whole { file, list });
        }
        store.partial(hash).map(Self::Partial)
    }

    /// A piece with its header before it.
    fn put(&self, index: u32, out: &mut Vec<u8>) {
        let bytes = match self {
            Self::Whole { file, list } => list.range(index).and_then(|range| {
                let mut bytes = vec![0; (range.end - range.start) as usize];
                file.read_exact_at(&mut bytes, range.start).ok().map(|()| bytes)
            }),
            Self::Partial(partial) => partial.read(index).ok(),
        };
        put_piece(bytes.as_deref(), out);
    }
}

fn put_piece(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => {
            out.extend(PieceHeader::Found(bytes.len() as u32).encode());
            out.extend_from_slice(bytes);
        }
        None => out.extend(PieceHeader::Missing.encode()),
    }
}

impl Server {
    /// A server of a store.
    pub fn new(store: Arc<Store>, moved: Arc<Moved>) -> Self {
        Self { store, moved, holders: Arc::default() }
    }
}

impl StreamHandler for Server {
    fn serve(
        &self,
        from: NodeId,
        send: SendStream,
        recv: RecvStream,
    ) -> BoxFuture<Result<(), Violation>> {
        let (store, moved) = (Arc::clone(&self.store), Arc::clone(&self.moved));
        let serving = Serving {
            from,
            store,
            moved,
            holders: Arc::clone(&self.holders),
            open: VecDeque::new(),
            send,
        };
        Box::pin(serving.run(recv))
    }
}

/// One stream.
struct Serving {
    from: NodeId,
    store: Arc<Store>,
    moved: Arc<Moved>,
    holders: Arc<Mutex<Holders>>,
    /// Large blobs that were asked for lately, the last one at the end.
    open: VecDeque<(Hash, Arc<Source>)>,
    send: SendStream,
}

impl Serving {
    async fn run(mut self, mut recv: RecvStream) -> Result<(), Violation> {
        loop {
            let request = match frame(&mut recv, REQUEST_BYTES, IDLE).await {
                Ok(request) => request,
                Err(IoError::Nonsense(why)) => return Err(Violation(why)),
                Err(IoError::Ended | IoError::Broke(_)) => return Ok(()),
            };
            let request = Request::decode(&request).map_err(|e| Violation(e.to_string()))?;
            // What fails on the way ends the stream, and the other end asks again.
            if self.answer(request).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn answer(&mut self, request: Request) -> Result<(), IoError> {
        match request {
            Request::List { blob } => self.list(blob).await,
            Request::Have { blobs } => self.have(blobs).await,
            Request::Pieces { blob, runs } => self.pieces(blob, &runs).await,
            Request::Blobs { blobs } => self.blobs(blobs).await,
            Request::Holders { blobs } => {
                let answer = {
                    let mut book = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
                    let now = Instant::now();
                    blobs.iter().map(|blob| book.ask(self.from, *blob, now)).collect::<Vec<_>>()
                };
                let bytes = encode_holders(&answer).map_err(nonsense)?;
                write(&mut self.send, bytes).await
            }
        }
    }

    async fn list(&mut self, blob: Hash) -> Result<(), IoError> {
        let store = Arc::clone(&self.store);
        let found = blocking(move || {
            let (_, length) = store.open_blob(&blob).ok()?;
            Some((length, store.chunk_list(&blob).ok()?))
        });
        let bytes = match found.await? {
            None => ListAnswer::Missing.encode(),
            Some((length, _)) if length <= outlast_stage::chunks::WHOLE_BYTES => {
                ListAnswer::Whole { length }.encode()
            }
            Some((length, list)) => {
                let list = list.encode();
                let mut bytes = ListAnswer::Chunks { length, list: list.len() as u32 }.encode();
                bytes.extend(list);
                bytes
            }
        };
        write(&mut self.send, bytes).await
    }

    async fn have(&mut self, blobs: Vec<Hash>) -> Result<(), IoError> {
        let store = Arc::clone(&self.store);
        let haves = blocking(move || {
            let mut pieces = 0;
            let have = |hash: &Hash| {
                if store.has(hash) {
                    return Have::All;
                }
                let Some(partial) = store.partial(hash) else { return Have::None };
                let have = partial.have();
                // An answer is bounded; a request for more is for others to answer.
                pieces += u64::from(have.len());
                if pieces > wire::HAVE_PIECES { Have::None } else { Have::Some(have) }
            };
            blobs.iter().map(have).collect::<Vec<_>>()
        });
        let bytes = Have::encode(&haves.await?).map_err(nonsense)?;
        write(&mut self.send, bytes).await
    }

    async fn pieces(&mut self, blob: Hash, runs: &[Run]) -> Result<(), IoError> {
        // What was on its way may be whole by now, and its list is the same.
        let known = self.open.iter().position(|(hash, _)| *hash == blob);
        let source = match known.and_then(|at| self.open.remove(at)) {
            Some((_, source)) => Some(source),
            None => {
                let store = Arc::clone(&self.store);
                blocking(move || Source::find(&store, &blob).map(Arc::new)).await?
            }
        };
        let indexes: Vec<u32> = indexes(runs).collect();
        let batch = (BATCH_BYTES / MAX_BYTES as usize).max(1) * 4;
        for some in indexes.chunks(batch) {
            let (some, source) = (some.to_vec(), source.clone());
            let read = blocking(move || {
                let mut bytes = Vec::with_capacity(BATCH_BYTES);
                for index in some {
                    match &source {
                        Some(source) => source.put(index, &mut bytes),
                        None => put_piece(None, &mut bytes),
                    }
                }
                bytes
            });
            self.send(read.await?).await?;
        }
        if self.open.len() == OPEN {
            self.open.pop_front();
        }
        self.open.extend(source.map(|source| (blob, source)));
        Ok(())
    }

    async fn blobs(&mut self, blobs: Vec<Hash>) -> Result<(), IoError> {
        for some in blobs.chunks(BATCH_BYTES / MAX_BYTES as usize * 8) {
            let (some, store) = (some.to_vec(), Arc::clone(&self.store));
            let read = blocking(move || {
                let mut bytes = Vec::new();
                for hash in some {
                    let small = store.open_blob(&hash).ok().filter(|(_, n)| *n <= MAX_BYTES.into());
                    let content = small.and_then(|_| store.read(&hash).ok());
                    put_piece(content.as_deref(), &mut bytes);
                }
                bytes
            });
            self.send(read.await?).await?;
        }
        Ok(())
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), IoError> {
        let length = bytes.len() as u64;
        write(&mut self.send, bytes).await?;
        add(&self.moved.served, length);
        Ok(())
    }
}

fn nonsense(error: wire::WireError) -> IoError {
    IoError::Nonsense(error.to_string())
}
