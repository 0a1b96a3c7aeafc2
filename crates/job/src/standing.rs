//! What two nodes may do for each other.
//!
//! Certificates, and who believes them, are the business of the trust around the job machines.
//! These get the result: the virtual organisations in which the one may submit and the other may
//! execute. Without a standing nothing is done for a node, and nothing is asked of it.

use outlast_types::VoId;
use serde::{Deserialize, Serialize};

/// Organisations that two nodes share, at most: of more the first count.
pub(crate) const MAX_SHARED: usize = 64;

/// Another node's standing with this one. Empty: a stranger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Where that node may submit and this one may execute.
    pub works_for: Vec<VoId>,
    /// Where this node may submit and that one may execute.
    pub serves: Vec<VoId>,
    /// All that both are in, whatever they may do there.
    pub shared: Vec<VoId>,
}

impl Standing {
    /// Both may do everything for each other, in this organisation.
    pub fn full(vo: VoId) -> Self {
        Self { works_for: vec![vo], serves: vec![vo], shared: vec![vo] }
    }

    /// Whether they have nothing to do with each other.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// Whether this node may work for a job of that node; `None`: of any organisation that they share.
    pub(crate) fn may_work_for(&self, vo: Option<VoId>) -> bool {
        within(&self.works_for, vo)
    }

    /// Whether that node may work for a job of this one.
    pub(crate) fn may_serve(&self, vo: Option<VoId>) -> bool {
        within(&self.serves, vo)
    }

    pub(crate) fn bounded(mut self) -> Self {
        self.works_for.truncate(MAX_SHARED);
        self.serves.truncate(MAX_SHARED);
        self.shared.truncate(MAX_SHARED);
        self
    }
}

fn within(vos: &[VoId], wanted: Option<VoId>) -> bool {
    wanted.map_or(!vos.is_empty(), |wanted| vos.contains(&wanted))
}
