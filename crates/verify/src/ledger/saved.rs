//! A ledger as it is stored and signed: sorted, so that the same knowledge gives the same bytes.

use std::collections::BTreeMap;

use outlast_types::{NodeId, Time};
use serde::{Deserialize, Serialize};

use super::pairs::Pairs;
use super::{History, LEDGER_NODES, Ledger};

/// Tells this form from the one before it, and from what may come.
const FORM: &str = "ledger 3";

/// The form before it, which had no time.
const SECOND: &str = "ledger 2";

/// See the module.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Saved {
    form: String,
    capacity: u64,
    nodes: BTreeMap<NodeId, History>,
    pairs: BTreeMap<(NodeId, NodeId), u32>,
    aged: Time,
}

/// A ledger in its second form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecondForm {
    form: String,
    capacity: u64,
    nodes: BTreeMap<NodeId, History>,
    pairs: BTreeMap<(NodeId, NodeId), u32>,
}

impl TryFrom<SecondForm> for Ledger {
    type Error = String;

    fn try_from(SecondForm { form, capacity, nodes, pairs }: SecondForm) -> Result<Self, String> {
        if form != SECOND {
            return Err(format!("expected a `{SECOND}`, found `{form}`"));
        }
        Saved { form: FORM.to_owned(), capacity, nodes, pairs, aged: Time::ZERO }.try_into()
    }
}

impl From<Ledger> for Saved {
    fn from(ledger: Ledger) -> Self {
        Self {
            form: FORM.to_owned(),
            capacity: ledger.capacity as u64,
            pairs: ledger.pairs.iter().collect(),
            nodes: ledger.nodes.into_iter().collect(),
            aged: ledger.aged,
        }
    }
}

impl TryFrom<Saved> for Ledger {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        if saved.form != FORM {
            return Err(format!("expected a `{FORM}`, found `{}`", saved.form));
        }
        let capacity = usize::try_from(saved.capacity).unwrap_or(LEDGER_NODES);
        let mut ledger = Self::with_capacity(capacity.max(saved.nodes.len()));
        for (node, mut history) in saved.nodes {
            // A damaged file mustn't make numbers that nothing can be compared with.
            history.checks = if history.checks.is_finite() { history.checks.max(0.0) } else { 0.0 };
            history.price = if history.price.is_finite() { history.price.max(0.0) } else { 0.0 };
            let at = ledger.entry(node);
            ledger.nodes[at].1 = history;
        }
        ledger.pairs = Pairs::from_saved(saved.pairs);
        ledger.aged = saved.aged;
        ledger.recount();
        Ok(ledger)
    }
}

impl Ledger {
    /// A ledger from what its first form had of each node: right answers, outvoted ones, proven wrong ones, and
    /// whether it is blacklisted.
    pub fn from_first_form(nodes: BTreeMap<NodeId, (u64, u64, u64, bool)>) -> Self {
        let mut ledger = Self::new();
        for (node, (right, outvoted, proven, blacklisted)) in nodes {
            ledger.change(node, |history, agreement, _| {
                history.right = right;
                history.agreed = right;
                history.outvoted = outvoted;
                history.sampled_wrong = proven;
                history.blacklisted = blacklisted;
                history.checks = agreement * right as f32;
                history.price =
                    super::OUTVOTED_PRICE * outvoted as f32 + super::PROVEN_PRICE * proven as f32;
            });
        }
        ledger
    }
}
