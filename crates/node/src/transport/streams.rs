//! Streams of bytes in both directions, besides the frames: who serves those that other nodes open.

use iroh::endpoint::{RecvStream, SendStream};
use outlast_types::NodeId;

use super::BoxFuture;

/// What the other end did that no correct node does. Costs it the connection.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// Serves the streams that other nodes open. The transport bounds how many it is given at a time.
pub trait StreamHandler: Send + Sync + 'static {
    /// Serves one stream, to its end; it bounds the time that it waits for the other end. Dropped with
    /// the connection.
    ///
    /// # Errors
    /// [`Violation`]: closes the whole connection. What just fails is `Ok`.
    fn serve(
        &self,
        from: NodeId,
        send: SendStream,
        recv: RecvStream,
    ) -> BoxFuture<Result<(), Violation>>;
}
