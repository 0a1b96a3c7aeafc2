//! The seam to the node itself, so that everything above it is tested without a network.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use outlast_api::Control;
use outlast_node::apps::Registry;
use outlast_node::config::Config;

/// A future in a box.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a node is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `outlast up`: serves the control socket and works for others until it is told to go.
    Daemon,
    /// Does the work of one `run` or `wait`. Serves the control socket as well, so that `ps` sees what
    /// goes on.
    Embedded,
    /// Answers from the record and runs nothing; no socket, no network. `cancel` writes the record.
    Passive,
}

/// A node didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process uses the data directory.
    #[error("{0}")]
    InUse(String),
    /// An address to listen on is taken, or isn't this machine's.
    #[error("{0}")]
    Address(String),
    /// The disk or the network refused.
    #[error("{0}")]
    Failed(String),
}

/// A node in this process.
pub trait Node: Send + Sync {
    /// What it can be asked.
    fn control(&self) -> Arc<dyn Control>;

    /// Completes when the node ended by itself: somebody sent `down`, or its disk failed (an error). May be
    /// dropped and called again.
    fn ended(&mut self) -> Boxed<'_, Result<(), String>>;

    /// Ends it now; what it acknowledged is on disk.
    fn stop(self: Box<Self>) -> Boxed<'static, ()>;
}

/// Starts nodes.
pub trait Embedder: Send + Sync {
    /// The applications that its nodes can submit, besides manifests in the user's folders.
    fn registry(&self) -> Registry {
        outlast_node::apps::registry()
    }

    /// The technical services that its jobs can name.
    fn services(&self) -> outlast_deploy::Registry {
        outlast_deploy::Registry::builtin()
    }

    /// Starts a node. Completes once it can be asked, and the socket, if the role has one, is there.
    fn start(&self, config: Config, role: Role) -> Boxed<'_, Result<Box<dyn Node>, StartError>>;
}
