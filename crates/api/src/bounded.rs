//! Listeners that serve a bounded number of connections, and servers that end.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, Sleep, sleep};

use crate::limits;

/// Serves until `shutdown` completes; requests in flight then have [`limits::GRACE`] to end. `start` is given what
/// tells the server to take no more.
pub(crate) async fn until<S>(
    shutdown: impl Future<Output = ()> + Send,
    start: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>) -> S,
) -> io::Result<()>
where
    S: Future<Output = io::Result<()>>,
{
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = std::pin::pin!(start(Box::pin(async {
        let _ = stopped.await;
    })));
    tokio::select! {
        result = &mut serving => return result,
        () = shutdown => {}
    }
    drop(stop);
    // Too slow is no error: the client sees its connection closed.
    let _ = tokio::time::timeout(limits::GRACE, serving).await;
    Ok(())
}

/// A listener that serves a bounded number of connections at a time.
pub(crate) struct Bounded<L> {
    listener: L,
    permits: Arc<Semaphore>,
    idle: Option<Duration>,
}

impl<L> Bounded<L> {
    /// At most so many; one on which nothing comes for `idle` is closed.
    pub(crate) fn new(listener: L, connections: usize, idle: Option<Duration>) -> Self {
        Self { listener, permits: Arc::new(Semaphore::new(connections)), idle }
    }
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Connection<L::Io>;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, ()) {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.expect("nobody closes the semaphore");
        // Their accept retries, so it has no error to return.
        let (stream, _) = self.listener.accept().await;
        let idle = self.idle.map(|limit| Idle { limit, at: Box::pin(sleep(limit)) });
        (Connection { stream, idle, _permit: permit }, ())
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection that counts until it is dropped.
pub(crate) struct Connection<S> {
    stream: S,
    idle: Option<Idle>,
    _permit: OwnedSemaphorePermit,
}

/// When silence becomes too long.
struct Idle {
    limit: Duration,
    at: Pin<Box<Sleep>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(idle) = &mut self.idle else { return read };
        if read.is_ready() {
            idle.at.as_mut().reset(Instant::now() + idle.limit);
            return read;
        }
        idle.at.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
