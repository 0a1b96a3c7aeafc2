//! A daemon if one answers, otherwise a node in this process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outlast_api::{Client, Control};
use outlast_node::TICKET_REFUSED;
use outlast_node::config::Config;
use tokio::time::{Instant, sleep};

use crate::config;
use crate::embed::{Embedder, Node, Role, StartError};
use crate::exit::{Exit, Failure};

/// How long another process may hold the data directory without answering: it starts, or ends. On a
/// busy machine either takes seconds.
const IN_USE_GRACE: Duration = Duration::from_secs(15);

/// How often that is looked at.
const IN_USE_POLL: Duration = Duration::from_millis(100);

/// Whom a command talks to.
pub enum Attached {
    /// A daemon, or another process's embedded node.
    Daemon(Arc<dyn Control>),
    /// A node in this process.
    Embedded(Box<dyn Node>),
}

impl Attached {
    /// What it can be asked.
    pub fn control(&self) -> Arc<dyn Control> {
        match self {
            Self::Daemon(control) => Arc::clone(control),
            Self::Embedded(node) => node.control(),
        }
    }

    /// Whether its work ends with this process.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    /// Ends it, if it is in this process.
    pub async fn stop(self) {
        if let Self::Embedded(node) = self {
            node.stop().await;
        }
    }
}

/// The daemon of `data_dir`.
///
/// # Errors
/// [`Exit::NO_DAEMON`], with what to do.
pub async fn daemon(data_dir: &Path) -> Result<Arc<dyn Control>, Failure> {
    let client = Client::new(data_dir);
    if client.is_there().await {
        return Ok(Arc::new(client));
    }
    let message = format!(
        "no daemon answers in {}; start one with `outlast up`, or name another --data-dir",
        data_dir.display()
    );
    Err(Failure::new(Exit::NO_DAEMON, message))
}

/// The daemon of `data_dir`, or a node in this process on the same data.
///
/// # Errors
/// If that node can't be started.
pub async fn connect_or_embed(
    embedder: &dyn Embedder,
    data_dir: &Path,
    role: Role,
) -> Result<Attached, Failure> {
    let client = Client::new(data_dir);
    let until = Instant::now() + IN_USE_GRACE;
    loop {
        if client.is_there().await {
            return Ok(Attached::Daemon(Arc::new(client)));
        }
        let config = config::for_embedded(data_dir.to_owned())?;
        match embedder.start(config, role).await {
            Ok(node) => return Ok(Attached::Embedded(node)),
            // Another one was faster; it will answer soon, or be gone.
            Err(StartError::InUse(_)) if Instant::now() < until => sleep(IN_USE_POLL).await,
            Err(error) => return Err(start_failure(error)),
        }
    }
}

/// The node of `outlast up`.
///
/// # Errors
/// If it can't be started. A command that looks at the record holds the data directory for a moment, which
/// is waited for; a daemon that answers is not.
pub async fn start_daemon(
    embedder: &dyn Embedder,
    config: &Config,
) -> Result<Box<dyn Node>, StartError> {
    let client = Client::new(&config.data_dir);
    let until = Instant::now() + IN_USE_GRACE;
    loop {
        match embedder.start(config.clone(), Role::Daemon).await {
            Err(StartError::InUse(_)) if Instant::now() < until && !client.is_there().await => {
                sleep(IN_USE_POLL).await;
            }
            started => return started,
        }
    }
}

/// Why a node didn't start, for the user.
pub fn start_failure(error: StartError) -> Failure {
    match error {
        StartError::Address(message) => {
            Failure::failed(format!("{message}; choose another address with --listen"))
        }
        StartError::InUse(message) => Failure::failed(format!(
            "{message}; end it with `outlast down`, or name another --data-dir"
        )),
        StartError::Failed(message) if message.starts_with(TICKET_REFUSED) => {
            Failure::new(Exit::REFUSED, message)
        }
        StartError::Failed(message) => Failure::failed(message),
    }
}
