//! Starts nodes in this process.

use outlast_cli::embed::{Boxed, Embedder, Node, NodeSettings, Role, StartError};

/// Starts nodes in this process.
pub(crate) struct Here;

impl Embedder for Here {
    fn start(&self, _: NodeSettings, _: Role) -> Boxed<'_, Result<Box<dyn Node>, StartError>> {
        Box::pin(async { Err(StartError::Failed("this build has no node of its own".to_owned())) })
    }
}
