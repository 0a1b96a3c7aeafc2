//! Homogeneous redundancy: replicas of a gridlet only on nodes of one kind ([`Ad::kind`]), for programs whose
//! results depend on the machine (BOINC calls it so: D. Anderson, "BOINC: A System for Public-Resource Computing and
//! Storage", 2004, section 3.4).
//!
//! ```text
//!  open to all ──first lease──▶ of the worker's kind ──lease ends, no answer yet──▶ open to all
//!                                    └─ replicas, rivals, samples, this node's own: of that kind only
//! ```
//!
//! - A gridlet begins on a kind that has nodes enough for a decision, as long as any kind has; otherwise
//!   anywhere, and waits for more of them.
//! - This node's own answers and samples are held right: they are compared with answers of its own kind
//!   only. A gridlet of another kind has no samples, and this node doesn't step in where its answers disagree.
//! - With several layers, where a cell belongs to several gridlets, all of the job is of one kind.
//!
//! What nodes say of their kind is believed. A node that lies about it is like one that computes something else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outlast_overlay::State;
use outlast_types::{Ad, GridletId};

use super::{Context, Coordinator, End};
use crate::Record;

/// Which gridlet is of which kind.
#[derive(Debug, Default)]
pub(super) struct Alike {
    kinds: BTreeMap<GridletId, Arc<str>>,
    /// One text for all gridlets of a kind.
    known: BTreeSet<Arc<str>>,
}

/// Kinds of which there are nodes enough to begin something; `None`: any may.
pub(super) type Roomy = Option<BTreeSet<Arc<str>>>;

impl Coordinator {
    fn is_homogeneous(&self) -> bool {
        self.spec.policy.homogeneous
    }

    /// Under which gridlet a gridlet's kind is kept.
    fn kept_under(&self, gridlet: GridletId) -> GridletId {
        if self.layout.layers() == 1 { gridlet } else { GridletId(0) }
    }

    /// The kind that a gridlet is bound to.
    pub(super) fn kind_of(&self, gridlet: GridletId) -> Option<Arc<str>> {
        self.alike.kinds.get(&self.kept_under(gridlet)).cloned()
    }

    /// Whether a node of this kind may work on a gridlet, as far as kinds go.
    pub(super) fn is_alike(&self, gridlet: GridletId, ad: &Ad) -> bool {
        self.kind_of(gridlet).is_none_or(|kind| *kind == *ad.kind)
    }

    /// A gridlet is given to a node: from now on it is of this kind.
    pub(super) fn bind(&mut self, cx: &mut Context<'_>, gridlet: GridletId, ad: &Ad) {
        if self.is_homogeneous() && self.kind_of(gridlet).is_none() {
            self.journal(cx, Record::Bound { gridlet, kind: ad.kind.clone() });
            self.note_bound(gridlet, &ad.kind);
        }
    }

    pub(super) fn note_bound(&mut self, gridlet: GridletId, kind: &str) {
        let kind = self.alike.known.get(kind).cloned().unwrap_or_else(|| Arc::from(kind));
        self.alike.known.insert(Arc::clone(&kind));
        self.alike.kinds.insert(self.kept_under(gridlet), kind);
        self.requeue_bound();
    }

    /// A lease of a gridlet has ended: without any answer, and nobody else at it, it may begin anew elsewhere.
    pub(super) fn loosen(&mut self, gridlet: GridletId) {
        let untouched = match self.layout.layers() {
            1 => self.cells_of(gridlet).into_iter().all(|cell| self.verifier.count(cell) == 0),
            _ => self.leases.is_empty() && self.workers.values().all(|known| known.answers == 0),
        };
        if self.is_homogeneous() && untouched {
            self.alike.kinds.remove(&self.kept_under(gridlet));
            self.requeue_bound();
        }
    }

    /// With layers, all places in the queue depend on the one kind.
    fn requeue_bound(&mut self) {
        if self.layout.layers() > 1 {
            self.requeue_all();
        }
    }

    /// Kinds with as many nodes as have to agree, among all that may work for the job now or later.
    pub(super) fn roomy(&self, cx: &Context<'_>) -> Roomy {
        if !self.is_homogeneous() {
            return None;
        }
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        let members = cx.membership.members().filter(|member| {
            let standing = cx.standings.get(&member.card.node);
            matches!(member.state, State::Alive)
                && standing.is_some_and(|standing| standing.may_serve(self.spec.vo))
                && !cx.ledger.is_blacklisted(&member.card.node)
        });
        let members = members.map(|member| (member.card.node, &member.ad));
        for (node, ad) in members.chain([(cx.me, cx.offer)]) {
            let fit = self
                .workers
                .get(&node)
                .is_none_or(|known| !known.barred && !known.broken && !known.missing_program);
            if fit && ad.slots > 0 && !ad.draining {
                *counts.entry(&ad.kind).or_default() += 1;
            }
        }
        let needed = u32::from(self.spec.policy.quorum());
        counts.retain(|_, count| *count >= needed);
        let roomy: BTreeSet<Arc<str>> = counts.keys().map(|kind| Arc::from(*kind)).collect();
        (!roomy.is_empty()).then_some(roomy)
    }

    /// Gridlets that were left to this node although it is of another kind: others try again, unless it is
    /// their answers that gave no decision.
    pub(super) fn give_back_unlike(&mut self, cx: &mut Context<'_>) {
        let own = self.for_self.iter().copied();
        let unlike: Vec<GridletId> =
            own.filter(|gridlet| !self.is_alike(*gridlet, cx.offer)).collect();
        for gridlet in unlike {
            if self.hopeless.contains(&gridlet) {
                let kind = self.kind_of(gridlet).unwrap_or_default();
                let why = format!(
                    "the answers for gridlet {gridlet} disagree, and this node can't tell who is right: \
                     it is of another kind ({}) than those that computed it ({kind})",
                    cx.offer.kind
                );
                self.end(cx, End::Failed(why));
                return;
            }
            self.for_self.remove(&gridlet);
            self.requeue(gridlet);
        }
    }

    /// Why this node can't compute a sample of a gridlet, if it is of another kind.
    pub(super) fn is_unlike(&self, cx: &Context<'_>, gridlet: GridletId) -> Option<String> {
        let kind = self.kind_of(gridlet).filter(|kind| **kind != *cx.offer.kind)?;
        Some(format!(
            "computed on nodes of another kind ({kind}) than this one ({})",
            cx.offer.kind
        ))
    }
}

#[cfg(test)]
mod tests;
