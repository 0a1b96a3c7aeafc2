//! Who was right so far, across jobs.
//!
//! Credibility after Sarmenta ("Sabotage-tolerance mechanisms for volunteer computing systems",
//! 2002, section 5): a worker of a grid where a share `f` lies, that passed `k` checks, is right
//! with probability `1 - f / k`. Here every accepted answer is a check. To it comes a price for
//! wrong answers that is never forgiven:
//!
//! ```text
//!   credibility = 1 - f * (1 + price) / max(k, 1)     price = 20 * outvoted + 400 * proven
//! ```
//!
//! A worker at the edge of the blacklist (one outvoted answer in twenty) so never gets above a
//! newcomer, whatever it does in between. Schemes that start again after a success accept about
//! 0.45 f wrong results from a liar that behaves now and then.
//!
//! **Blacklist.** One answer proven wrong, by a sample or by the submitter's own answer, is
//! enough: nothing but the submitter speaks there. To be outvoted proves nothing, since an honest
//! node can be outvoted by colluders; it takes more than two, and more than 5 % of the answers:
//! who is that often alone is no use, whoever is right.
//!
//! What it does not do: tell votes apart by credibility (the verifier counts heads), or share
//! histories between nodes, which would let liars slander.

use std::collections::BTreeMap;

use outlast_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::{Proof, Verdict};

/// Histories kept. Four times the nodes that a node knows at a time (`limits::MEMBERS`), so that
/// those who leave and come back are known; under a megabyte.
pub const LEDGER_NODES: usize = 4096;

/// Sarmenta's `f`: the share of liars a grid is assumed to have. The worst that the design's
/// figures are given for; the price of pessimism is only that newcomers wait longer for trust.
const ASSUMED_LIARS: f64 = 0.35;

/// What an outvoted answer costs, in right ones: at [`MAX_OUTVOTED_PERCENT`], all of them.
const OUTVOTED_PRICE: f64 = 20.0;

/// What a proven lie costs, should its author be pardoned: twenty suspicions.
const PROVEN_PRICE: f64 = 400.0;

/// Credibility of a node that is not blacklisted never falls below: at zero it would get no work
/// and could not recover, and the blacklist is there for those who must not.
const LEAST_CREDIBILITY: f64 = 0.05;

/// Outvoted answers that are nobody's concern: a disk, a cosmic ray, one bad company.
const FREE_OUTVOTED: u64 = 2;

/// Share of outvoted answers that is tolerated.
const MAX_OUTVOTED_PERCENT: u64 = 5;

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Answers that were accepted.
    pub right: u64,
    /// Answers against which others agreed.
    pub outvoted: u64,
    /// Answers proven wrong, by a sample or by the submitter's own answer.
    pub sampled_wrong: u64,
    /// It gets no work.
    pub blacklisted: bool,
}

impl History {
    /// Answers that were judged.
    pub fn answers(&self) -> u64 {
        self.right.saturating_add(self.outvoted).saturating_add(self.sampled_wrong)
    }

    /// How likely its next answer is right, from 0 (blacklisted) to 1.
    pub fn credibility(&self) -> f64 {
        if self.blacklisted {
            return 0.0;
        }
        let price =
            OUTVOTED_PRICE * self.outvoted as f64 + PROVEN_PRICE * self.sampled_wrong as f64;
        let checks = self.right.max(1) as f64;
        (1.0 - ASSUMED_LIARS * (1.0 + price) / checks).max(LEAST_CREDIBILITY)
    }

    fn too_often_outvoted(&self) -> bool {
        let share = u128::from(self.outvoted) * 100;
        self.outvoted > FREE_OUTVOTED
            && share > u128::from(self.answers()) * u128::from(MAX_OUTVOTED_PERCENT)
    }
}

/// What a record changed about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is blacklisted from now on. Once for each time it gets there.
    Blacklisted(NodeId),
}

/// The histories of nodes, across jobs. At most [`LEDGER_NODES`] of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    nodes: BTreeMap<NodeId, History>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a verdict on one cell's answer; other verdicts say nothing about a node.
    ///
    /// Where a gridlet has several cells, one bad gridlet would count as many bad answers, and
    /// blacklist an honest node on one occasion: then add up the verdicts of a gridlet, and give
    /// them to [`Ledger::record_many`].
    pub fn record(&mut self, verdict: &Verdict) -> Option<Change> {
        match *verdict {
            Verdict::Right { worker, .. } => self.record_many(worker, 1, None),
            Verdict::Wrong { worker, proof, .. } => self.record_many(worker, 0, Some(proof)),
            Verdict::Accepted { .. }
            | Verdict::Retracted { .. }
            | Verdict::SampleWanted { .. }
            | Verdict::Hopeless { .. } => None,
        }
    }

    /// Records `right` right answers and at most one wrong one, with the strongest proof there is
    /// ([`Proof`] is ordered). Count both in the same unit, gridlets or cells: the blacklist
    /// compares them.
    pub fn record_many(
        &mut self,
        worker: NodeId,
        right: u64,
        wrong: Option<Proof>,
    ) -> Option<Change> {
        let history = self.entry(worker);
        history.right = history.right.saturating_add(right);
        let listed = match wrong {
            None => false,
            Some(Proof::Outvoted) => {
                history.outvoted = history.outvoted.saturating_add(1);
                history.too_often_outvoted()
            }
            Some(Proof::Quiz | Proof::Sample | Proof::Trusted) => {
                history.sampled_wrong = history.sampled_wrong.saturating_add(1);
                true
            }
        };
        (listed && !std::mem::replace(&mut history.blacklisted, true))
            .then_some(Change::Blacklisted(worker))
    }

    /// How likely the node's next answer is right: 0 if blacklisted, a prior for newcomers.
    pub fn credibility(&self, node: &NodeId) -> f64 {
        self.history(node).credibility()
    }

    /// Whether the node gets no work.
    pub fn is_blacklisted(&self, node: &NodeId) -> bool {
        self.nodes.get(node).is_some_and(|history| history.blacklisted)
    }

    /// What is known of the node; nothing, for a newcomer.
    pub fn history(&self, node: &NodeId) -> History {
        self.nodes.get(node).copied().unwrap_or_default()
    }

    /// Blacklists a node by the user's will.
    pub fn blacklist(&mut self, node: NodeId) {
        self.entry(node).blacklisted = true;
    }

    /// Takes a node off the blacklist. Its history stays, so that its next wrong answer lists it
    /// again.
    pub fn pardon(&mut self, node: NodeId) {
        if let Some(history) = self.nodes.get_mut(&node) {
            history.blacklisted = false;
        }
    }

    /// All histories, by node.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &History)> {
        self.nodes.iter()
    }

    /// The history of `node`, for which room is made.
    fn entry(&mut self, node: NodeId) -> &mut History {
        if !self.nodes.contains_key(&node) && self.nodes.len() >= LEDGER_NODES {
            self.forget_one();
        }
        self.nodes.entry(node).or_default()
    }

    /// Forgets who is known least: not blacklisted, no wrong answer, few answers. So newcomers
    /// made up by the thousand push out each other, and neither friends nor foes.
    fn forget_one(&mut self) {
        let weight = |history: &History| {
            let wrong = history.outvoted > 0 || history.sampled_wrong > 0;
            (history.blacklisted, wrong, history.answers())
        };
        let least = self.nodes.iter().min_by_key(|(_, history)| weight(history));
        if let Some(node) = least.map(|(&node, _)| node) {
            self.nodes.remove(&node);
        }
    }
}

#[cfg(test)]
mod tests;
