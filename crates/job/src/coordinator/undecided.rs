//! Answers that can't be compared: the program that compares them fails, or is given something that breaks it.
//!
//! ```text
//!  an answer can't be compared ──▶ its worker offers it again, up to MAX_TRIES times
//!      still not ──▶ the lease ends, the gridlet goes to another node
//!          several nodes' answers to it, or this node's own ──▶ the job fails, and says what to try
//! ```
//!
//! Nothing is held against a worker for it, and nothing is accepted. One node that sends what breaks the
//! comparator holds up its own answers only. It isn't journaled: after a restart all is tried again.

use std::collections::{BTreeMap, BTreeSet};

use outlast_overlay::State;
use outlast_types::{Attempt, GridletId, NodeId};

use super::{Context, Coordinator, End};
use crate::wire::ToWorker;

/// How often the answers of a lease are looked at in vain: a full disk or a busy machine may pass.
const MAX_TRIES: u32 = 3;

/// Nodes whose answers to a gridlet couldn't be compared.
#[derive(Debug, Default)]
pub(super) struct Undecided(BTreeMap<GridletId, BTreeSet<NodeId>>);

impl Undecided {
    pub(super) fn nodes(&self, gridlet: GridletId) -> impl Iterator<Item = NodeId> {
        self.0.get(&gridlet).into_iter().flatten().copied()
    }
}

impl Coordinator {
    /// Whether this node had its try at the gridlet, and its answer couldn't be compared.
    pub(super) fn is_undecided(&self, gridlet: GridletId, node: &NodeId) -> bool {
        self.undecided.0.get(&gridlet).is_some_and(|nodes| nodes.contains(node))
    }

    /// An answer of a lease couldn't be compared.
    pub(super) fn on_undecided(&mut self, cx: &mut Context<'_>, attempt: Attempt, why: &str) {
        let Some(lease) = self.leases.get_mut(&attempt) else { return };
        lease.undecided += 1;
        if lease.undecided < MAX_TRIES {
            return;
        }
        let (worker, gridlet) = (lease.worker, lease.gridlet);
        let nodes = self.undecided.0.entry(gridlet).or_default();
        nodes.insert(worker);
        let tried = nodes.len() as u32;
        let enough = worker == cx.me || tried >= cx.settings.failures_to_give_up;
        if enough || !self.is_there_another(cx, gridlet) {
            let text = format!(
                "the answers for gridlet {gridlet} can't be compared: {why}\n\
                 (those of {tried} nodes were tried, {MAX_TRIES} times each; none was accepted or rejected for it)"
            );
            self.end(cx, End::Failed(text));
            return;
        }
        self.end_lease(cx, attempt);
        self.send(cx, worker, ToWorker::Revoke { attempts: vec![attempt] });
    }

    /// Whether any other node may still answer the gridlet, now or later.
    fn is_there_another(&self, cx: &Context<'_>, gridlet: GridletId) -> bool {
        let members = cx.membership.members();
        let members = members.filter(|member| {
            let standing = cx.standings.get(&member.card.node);
            matches!(member.state, State::Alive)
                && member.ad.slots > 0
                && standing.is_some_and(|standing| standing.may_serve(self.spec.vo))
                && !cx.ledger.is_blacklisted(&member.card.node)
        });
        let own = self.can_run_here(cx).then_some(cx.me);
        let cells = self.cells_of(gridlet);
        members.map(|member| member.card.node).chain(own).any(|node| {
            let fit = self
                .workers
                .get(&node)
                .is_none_or(|known| !known.barred && !known.broken && !known.missing_program);
            fit && !self.is_undecided(gridlet, &node)
                && cells.iter().any(|&cell| self.verifier.may_answer(cell, node))
        })
    }
}
