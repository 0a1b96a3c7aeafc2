//! Blobs: a stream for each. The request is a hash; the response a status byte, then the length (eight bytes,
//! little-endian) and the bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use iroh::endpoint::{RecvStream, SendStream};
use outlast_types::{Hash, NodeId};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{BoxFuture, FetchError, StreamHandler, Violation};
use crate::store::{Holder, Store, StoreError, Writer};

/// Read from or written to the disk at a time: large enough to hide the change of threads.
const CHUNK_BYTES: usize = 1 << 20;

/// Nothing moved for so long: the other end is stuck. It may be waiting for its turn.
const STALL: Duration = Duration::from_secs(30);

/// A hash that takes longer is no request.
const REQUEST: Duration = Duration::from_secs(5);

const FOUND: u8 = 0;
const MISSING: u8 = 1;

/// Serves blobs out of a store.
#[derive(Clone, Debug)]
pub struct Blobs(pub Arc<Store>);

impl StreamHandler for Blobs {
    fn serve(
        &self,
        _: NodeId,
        mut send: SendStream,
        mut recv: RecvStream,
    ) -> BoxFuture<Result<(), Violation>> {
        let store = Arc::clone(&self.0);
        Box::pin(async move {
            let bad = || Violation("a blob request of other than 32 bytes".to_owned());
            let Ok(request) = timeout(REQUEST, recv.read_to_end(size_of::<Hash>())).await else {
                return Ok(());
            };
            let request = match request {
                Ok(request) => request,
                Err(iroh::endpoint::ReadToEndError::TooLong) => return Err(bad()),
                Err(_) => return Ok(()),
            };
            let hash = Hash::from_bytes(request.try_into().map_err(|_| bad())?);
            // What fails on the way ends the stream, and the other end asks again.
            let _ = answer(store, hash, &mut send).await;
            Ok(())
        })
    }
}

async fn answer(store: Arc<Store>, hash: Hash, send: &mut SendStream) -> io::Result<()> {
    let opened = spawn_blocking(move || store.open_blob(&hash)).await?;
    let Ok((file, length)) = opened else {
        send.write_all(&[MISSING]).await?;
        send.finish()?;
        return Err(io::ErrorKind::NotFound.into());
    };
    let mut header = [FOUND; 9];
    header[1..].copy_from_slice(&length.to_le_bytes());
    send.write_all(&header).await?;
    let file = Arc::new(file);
    let mut offset = 0;
    while offset < length {
        let chunk = read_chunk(Arc::clone(&file), offset, length - offset).await?;
        offset += chunk.len() as u64;
        timeout(STALL, send.write_chunk(chunk)).await??;
    }
    send.finish()?;
    Ok(())
}

async fn read_chunk(file: Arc<File>, offset: u64, left: u64) -> io::Result<Bytes> {
    let read = move || {
        let size = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let mut chunk = vec![0; size];
        file.read_exact_at(&mut chunk, offset)?;
        Ok(Bytes::from(chunk))
    };
    spawn_blocking(read).await?
}

/// Pulls a blob over a stream into the store.
pub(super) async fn fetch(
    (mut send, mut recv): (SendStream, RecvStream),
    node: NodeId,
    store: Arc<Store>,
    hash: Hash,
    length: u64,
    holder: Holder,
) -> Result<(), FetchError> {
    let lost = |reason: String| FetchError::Lost { node, hash, reason };
    send.write_all(hash.as_bytes()).await.map_err(|e| lost(e.to_string()))?;
    send.finish().map_err(|e| lost(e.to_string()))?;

    let mut status = [0];
    read_exact(&mut recv, &mut status).await.map_err(lost)?;
    match status[0] {
        FOUND => {}
        MISSING => return Err(FetchError::Missing { node, hash }),
        other => return Err(lost(format!("status {other}, expected {FOUND} or {MISSING}"))),
    }
    let mut announced = [0; 8];
    read_exact(&mut recv, &mut announced).await.map_err(lost)?;
    let found = u64::from_le_bytes(announced);
    if found != length {
        return Err(StoreError::Length { hash, expected: length, found }.into());
    }

    let mut writer =
        blocking(move || store.begin_write(hash, length, holder)).await.map_err(lost)??;
    let mut pending = Vec::with_capacity(CHUNK_BYTES);
    loop {
        let chunk = timeout(STALL, recv.read_chunk(CHUNK_BYTES)).await;
        let chunk = chunk.map_err(|_| lost("nothing came".to_owned()))?;
        let chunk = chunk.map_err(|e| lost(e.to_string()))?;
        let end = chunk.is_none();
        pending.extend_from_slice(&chunk.unwrap_or_default());
        if pending.len() >= CHUNK_BYTES || end {
            (writer, pending) = blocking(move || write(writer, pending)).await.map_err(lost)??;
        }
        if end {
            return Ok(blocking(move || writer.finish()).await.map_err(lost)??);
        }
    }
}

fn write(mut writer: Writer, mut bytes: Vec<u8>) -> Result<(Writer, Vec<u8>), StoreError> {
    writer.write(&bytes)?;
    bytes.clear();
    Ok((writer, bytes))
}

/// Fails only while the runtime goes down.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    spawn_blocking(work).await.map_err(|error| error.to_string())
}

async fn read_exact(recv: &mut RecvStream, buffer: &mut [u8]) -> Result<(), String> {
    match timeout(STALL, recv.read_exact(buffer)).await {
        Err(_) => Err("nothing came".to_owned()),
        Ok(read) => read.map_err(|error| error.to_string()),
    }
}
