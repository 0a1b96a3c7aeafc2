//! Reading and writing streams, with an end to every wait.

use std::time::Duration;

use iroh::endpoint::{RecvStream, SendStream};
use outlast_stage::wire::{PREFIX_BYTES, frame_length};
use tokio::time::timeout;

/// Nothing moved for so long: the other end is stuck. It may be waiting for its turn.
pub(super) const STALL: Duration = Duration::from_secs(30);

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub(super) enum IoError {
    /// The stream ended, between two messages.
    #[error("it ended")]
    Ended,
    /// It broke, or nothing moved.
    #[error("{0}")]
    Broke(String),
    /// What came is against the rules.
    #[error("{0}")]
    Nonsense(String),
}

pub(super) async fn exact(recv: &mut RecvStream, buffer: &mut [u8]) -> Result<(), IoError> {
    match timeout(STALL, recv.read_exact(buffer)).await {
        Err(_) => Err(IoError::Broke("nothing came".to_owned())),
        Ok(read) => read.map_err(|error| IoError::Broke(error.to_string())),
    }
}

/// A frame with its length before it. `wait`: how long it may take to begin.
pub(super) async fn frame(
    recv: &mut RecvStream,
    limit: usize,
    wait: Duration,
) -> Result<Vec<u8>, IoError> {
    use iroh::endpoint::ReadExactError;
    let mut prefix = [0; PREFIX_BYTES];
    match timeout(wait, recv.read_exact(&mut prefix)).await {
        Err(_) => return Err(IoError::Broke("nothing came".to_owned())),
        Ok(Err(ReadExactError::FinishedEarly(0))) => return Err(IoError::Ended),
        Ok(read) => read.map_err(|error| IoError::Broke(error.to_string()))?,
    }
    let length =
        frame_length(prefix, limit).map_err(|error| IoError::Nonsense(error.to_string()))?;
    let mut frame = vec![0; length];
    exact(recv, &mut frame).await?;
    Ok(frame)
}

pub(super) async fn write(send: &mut SendStream, bytes: Vec<u8>) -> Result<(), IoError> {
    match timeout(STALL, send.write_chunk(bytes.into())).await {
        Err(_) => Err(IoError::Broke("nothing was taken".to_owned())),
        Ok(written) => written.map_err(|error| IoError::Broke(error.to_string())),
    }
}

/// Runs what blocks. Fails only while the runtime goes down.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, IoError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| IoError::Broke(error.to_string()))
}
