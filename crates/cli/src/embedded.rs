//! Starts real nodes in this process.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use outlast_api::{Control, ControlSocket};
use outlast_node::apps::Registry;
use outlast_node::config::Config;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::embed::{Boxed, Embedder, Node, Role, StartError};

/// Completes when a server is to end.
type Told = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts nodes in this process.
pub(crate) struct Here {
    /// The applications that they can submit.
    pub(crate) registry: Registry,
    /// The technical services that their jobs can name.
    pub(crate) services: outlast_deploy::Registry,
}

struct Running {
    node: Arc<outlast_node::Node>,
    servers: Vec<Server>,
}

/// A server of a node: its control socket, or its figures.
struct Server {
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Embedder for Here {
    fn registry(&self) -> Registry {
        self.registry.clone()
    }

    fn services(&self) -> outlast_deploy::Registry {
        self.services.clone()
    }

    fn start(&self, config: Config, role: Role) -> Boxed<'_, Result<Box<dyn Node>, StartError>> {
        Box::pin(async move {
            // First of all: if the address is taken, nothing has begun.
            let metrics = match config.metrics.filter(|_| role == Role::Daemon) {
                Some(address) => Some(listen(address).await?),
                None => None,
            };
            let options = outlast_node::Options {
                registry: self.registry.clone(),
                services: self.services.clone(),
                passive: role == Role::Passive,
                ..Default::default()
            };
            let node = outlast_node::Node::start(&config, options).await.map_err(|e| match e {
                outlast_node::StartError::InUse(why) => StartError::InUse(why.to_string()),
                outlast_node::StartError::Address(why) => StartError::Address(why.to_string()),
                outlast_node::StartError::Failed(why) => StartError::Failed(format!("{why:#}")),
            })?;
            let mut servers = Vec::new();
            let control = || Arc::<outlast_node::Node>::clone(&node) as Arc<dyn Control>;
            if role != Role::Passive {
                let path = config.data_dir.join(outlast_api::SOCKET_NAME);
                let socket = match ControlSocket::bind(&path) {
                    Ok(socket) => socket,
                    Err(error) => {
                        node.stop(false, None).await;
                        node.stopped().await;
                        return Err(StartError::Failed(error.to_string()));
                    }
                };
                let control = control();
                servers.push(Server::start(|told| outlast_api::serve(socket, control, told)));
            }
            if let Some(listener) = metrics {
                let control = control();
                servers.push(Server::start(|told| {
                    outlast_api::serve_metrics(listener, control, told)
                }));
            }
            Ok(Box::new(Running { node, servers }) as Box<dyn Node>)
        })
    }
}

/// Listens for whoever reads metrics.
async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(address).await.and_then(|listener| {
        let address = listener.local_addr()?;
        tracing::info!("figures are on http://{address}/metrics");
        Ok(listener)
    });
    if !address.ip().is_loopback() {
        tracing::warn!("whoever reaches {address} can read this node's figures (--metrics)");
    }
    listener.map_err(|error| {
        StartError::Failed(format!(
            "metrics on {address}: {error}; choose another address with --metrics"
        ))
    })
}

impl Server {
    /// Starts what `serve` makes of a future that completes when it is to end.
    fn start<S>(serve: impl FnOnce(Told) -> S) -> Self
    where
        S: Future<Output = io::Result<()>> + Send + 'static,
    {
        let (shutdown, told) = oneshot::channel::<()>();
        let serving = serve(Box::pin(async move {
            let _ = told.await;
        }));
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!("serving requests: {error}");
            }
        });
        Self { shutdown, task }
    }
}

impl Node for Running {
    fn control(&self) -> Arc<dyn Control> {
        Arc::clone(&self.node) as Arc<dyn Control>
    }

    fn ended(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async move {
            self.node.stopped().await;
            self.node.failure().map_or(Ok(()), Err)
        })
    }

    fn stop(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move {
            let Self { node, servers } = *self;
            node.stop(false, None).await;
            node.stopped().await;
            for Server { shutdown, task } in servers {
                let _ = shutdown.send(());
                let _ = task.await;
            }
        })
    }
}
