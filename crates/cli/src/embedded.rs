//! Starts real nodes in this process.

use std::sync::Arc;

use outlast_api::{Control, ControlSocket};
use outlast_cli::embed::{Boxed, Embedder, Node, Role, StartError};
use outlast_node::config::Config;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Starts nodes in this process.
pub(crate) struct Here;

struct Running {
    node: Arc<outlast_node::Node>,
    server: Option<Server>,
}

/// The control socket of a node.
struct Server {
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Embedder for Here {
    fn start(&self, config: Config, role: Role) -> Boxed<'_, Result<Box<dyn Node>, StartError>> {
        Box::pin(async move {
            let options =
                outlast_node::Options { passive: role == Role::Passive, ..Default::default() };
            let node = outlast_node::Node::start(&config, options).await.map_err(|e| match e {
                outlast_node::StartError::InUse(why) => StartError::InUse(why.to_string()),
                outlast_node::StartError::Address(why) => StartError::Address(why.to_string()),
                outlast_node::StartError::Failed(why) => StartError::Failed(format!("{why:#}")),
            })?;
            let server = if role == Role::Passive {
                None
            } else {
                let path = config.data_dir.join(outlast_api::SOCKET_NAME);
                match ControlSocket::bind(&path) {
                    Ok(socket) => {
                        Some(Server::start(socket, Arc::<outlast_node::Node>::clone(&node)))
                    }
                    Err(error) => {
                        node.stop(false, None).await;
                        node.stopped().await;
                        return Err(StartError::Failed(error.to_string()));
                    }
                }
            };
            Ok(Box::new(Running { node, server }) as Box<dyn Node>)
        })
    }
}

impl Server {
    fn start(socket: ControlSocket, control: Arc<dyn Control>) -> Self {
        let (shutdown, told) = oneshot::channel::<()>();
        let told = async move {
            let _ = told.await;
        };
        let task = tokio::spawn(async move {
            if let Err(error) = outlast_api::serve(socket, control, told).await {
                tracing::error!("the control socket: {error}");
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
            Ok(())
        })
    }

    fn stop(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move {
            let Self { node, server } = *self;
            node.stop(false, None).await;
            node.stopped().await;
            if let Some(Server { shutdown, task }) = server {
                let _ = shutdown.send(());
                let _ = task.await;
            }
        })
    }
}
