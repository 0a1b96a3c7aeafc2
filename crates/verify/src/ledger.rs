//! Who was right so far, across jobs.
//!
//! **Credence.** How likely a node's next answer is right, from what it passed (see
//! [`credibility`](crate::credibility)): with `n` checks passed in a population where a share `f` lies,
//!
//! ```text
//!   odds of a lie = f / (1 - f) * max_s s (1 - s)^n * (1 + price)
//!   n = quizzes + answers that a trusted node gave too + 1/2 samples + (1 - f)/2 agreements
//!   price = 20 * outvoted + 400 * proven
//! ```
//!
//! An agreement is the weaker evidence: with probability `f` it was another liar who agreed. What was
//! accepted on the node's own word is none. A price is never forgiven: a worker at the edge of the blacklist (one
//! outvoted answer in twenty) stays about a newcomer, whatever it does in between. Schemes that start
//! again after a success accept about 0.45 f wrong results from a liar that behaves now and then.
//! Evidence of both kinds loses half of its weight in [`HALF_LIFE_DAYS`], and no single event wipes it.
//!
//! **Prior.** `f` is learned: a Beta prior of [`ASSUMED_LIARS`], worth ten nodes, plus the liars that were
//! found, against those who passed [`CLEARED_CHECKS`]. A newcomer starts there, so a new identity gains nothing:
//! it believes less and is checked more than any identity that is not on the blacklist.
//!
//! **Checks.** [`Ledger::check_rate`] spreads the `n*` checks that make one answer believable (at the
//! policy's `max_error`) evenly over the first [`HORIZON`] answers, and falls with `1 / answers` after
//! them. Whenever a liar chooses to lie `j` times, it survives them with probability `(1 - q)^j`, so it
//! gets at most `1 / (e q)` of them through, a share of `1 / (e n*) = max_error (1 - f) / f` of its answers; what
//! it got through before it was found is retracted. Before the first answers the rate is
//! `1 / (1 + answers)` if that is more: most liars don't wait, and every gridlet given to one is lost. It is
//! never less than the policy's rate, and decided by lot at each gridlet.
//!
//! **Blacklist.** One answer proven wrong, by a sample, a quiz or a trusted node's own answer, is
//! enough: nothing but the submitter speaks there. To be outvoted proves nothing, since an honest
//! node can be outvoted by colluders; it takes more than two, and more than 5 % of the answers:
//! who is that often alone is no use, whoever is right.
//!
//! **Collusion.** Who gave the same wrong answer as whom is counted ([`Verdict::Together`]); those to whom that
//! happened more than once are [`Ledger::suspects`], and have one voice in a job
//! ([`Verifier::set_clique`](crate::Verifier::set_clique)). A common fault, an old version of the program for
//! instance, looks the same, and is as little independent.
//!
//! What it does not do: share histories between nodes, which would let liars slander. The encoding is canonical
//! (sorted by node), so that its observer can sign it.

mod pairs;
mod saved;

pub use saved::SecondForm;

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use outlast_types::{NodeId, Time};
use serde::{Deserialize, Serialize};

use crate::credibility::{checks_wanted, credence, escape, odds};
use crate::verifier::{ASSUMED_LIARS, SAMPLE_POWER};
use crate::{Basis, Decision, Policy, Proof, Verdict};
use pairs::Pairs;

/// Histories kept. Four times the nodes that a node knows at a time (`limits::MEMBERS`), so that
/// those who leave and come back are known; under a megabyte.
pub const LEDGER_NODES: usize = 4096;

/// Nodes that the assumed share of liars is worth: after as many the grid's own count for half.
const PRIOR_NODES: f64 = 10.0;

/// Checks after which a node counts as honest for the prior: one that lies in an eighth of its answers is
/// found in them with 93 %. Whoever lies seldom is found later, and counted then.
const CLEARED_CHECKS: f32 = 20.0;

/// The prior's upper end: of a majority of liars no vote says anything.
const MOST_LIARS: f64 = 0.49;

/// Answers over which the checks of a newcomer are spread.
const HORIZON: f64 = 200.0;

/// In so many days evidence loses half of its weight: machines change owners, disks age.
const HALF_LIFE_DAYS: f64 = 180.0;

/// A day.
const DAY_SECONDS: f64 = 86_400.0;

/// What an outvoted answer costs: at [`MAX_OUTVOTED_PERCENT`], all that the right ones were worth.
const OUTVOTED_PRICE: f32 = 20.0;

/// What a proven lie costs, should its author be pardoned: twenty suspicions.
const PROVEN_PRICE: f32 = 400.0;

/// Credibility of a node that is not blacklisted never falls below: at zero it would get no work
/// and could not recover, and the blacklist is there for those who must not.
const LEAST_CREDIBILITY: f64 = 0.05;

/// Outvoted answers that are nobody's concern: a disk, a cosmic ray, one bad company.
const FREE_OUTVOTED: u64 = 2;

/// Share of outvoted answers that is tolerated.
const MAX_OUTVOTED_PERCENT: u64 = 5;

/// What is known of a node. Counted are gridlets, if verdicts are recorded by [`Ledger::learn`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Answers that were accepted.
    pub right: u64,
    /// Of these, those that others agreed with.
    pub agreed: u64,
    /// Answers that a sample agreed with.
    pub samples: u64,
    /// Quizzes that it passed.
    pub quizzes: u64,
    /// Answers that a trusted node gave too.
    pub trusted: u64,
    /// Answers against which others agreed.
    pub outvoted: u64,
    /// Answers proven wrong, by a sample, a quiz or a trusted node's own answer.
    pub sampled_wrong: u64,
    /// It gets no work.
    pub blacklisted: bool,
    /// Checks passed, weighted by how much they say and how long ago they were.
    checks: f32,
    /// What wrong answers cost, weighted by age.
    price: f32,
}

impl History {
    /// Answers that were judged.
    pub fn answers(&self) -> u64 {
        self.right.saturating_add(self.outvoted).saturating_add(self.sampled_wrong)
    }

    /// Checks that it passed, as far as they still count.
    pub fn checks(&self) -> f64 {
        self.checks.into()
    }

    fn credence(&self, prior: f64) -> f64 {
        if self.blacklisted {
            return 0.0;
        }
        let lie = odds(prior) * escape(self.checks.into()) * (1.0 + f64::from(self.price));
        credence(lie).max(LEAST_CREDIBILITY)
    }

    fn too_often_outvoted(&self) -> bool {
        let share = u128::from(self.outvoted) * 100;
        self.outvoted > FREE_OUTVOTED
            && share > u128::from(self.answers()) * u128::from(MAX_OUTVOTED_PERCENT)
    }

    fn is_cleared(&self) -> bool {
        !self.blacklisted && self.checks >= CLEARED_CHECKS
    }
}

/// What a record changed about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is blacklisted from now on. Once for each time it gets there.
    Blacklisted(NodeId),
}

/// Why a node is believed as far as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What it did.
    pub history: History,
    /// How likely its next answer is right.
    pub credence: f64,
    /// What a newcomer's would be: `1 - prior`.
    pub newcomer: f64,
    /// Those who gave the same wrong answers, and how often.
    pub mates: Vec<(NodeId, u32)>,
}

/// What one occasion, a gridlet for instance, says of a worker.
#[derive(Clone, Copy, Debug, Default)]
struct Occasion {
    right: Option<Basis>,
    passed: bool,
    wrong: Option<Proof>,
}

/// The histories of nodes, across jobs. At most [`LEDGER_NODES`] of them, or as many as it was made for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "saved::Saved", into = "saved::Saved")]
pub struct Ledger {
    /// Where a node's history is. Never iterated.
    numbers: IndexMap<NodeId, u32, FixedState>,
    nodes: Vec<(NodeId, History)>,
    capacity: usize,
    sample_power: f64,
    /// Blacklisted nodes, and those who count as honest.
    liars: u32,
    cleared: u32,
    pairs: Pairs,
    /// Up to when evidence has lost weight; zero: it never has.
    aged: Time,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::with_capacity(LEDGER_NODES)
    }
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter()) && self.pairs == other.pairs
    }
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty ledger for so many nodes. For populations larger than a node ever knows.
    pub fn with_capacity(nodes: usize) -> Self {
        Self {
            numbers: IndexMap::with_hasher(FixedState::with_seed(0)),
            nodes: Vec::new(),
            capacity: nodes.max(1),
            sample_power: SAMPLE_POWER,
            liars: 0,
            cleared: 0,
            pairs: Pairs::default(),
            aged: Time::ZERO,
        }
    }

    /// Share of the lies that a sample finds, as for
    /// [`Verifier::set_sample_power`](crate::Verifier::set_sample_power).
    pub fn set_sample_power(&mut self, power: f64) {
        self.sample_power = power.clamp(0.0, 1.0);
    }

    /// Records what follows from one event, gridlets rather than cells: of all that the verdicts say of a worker
    /// only the strongest counts, for a gridlet of a hundred wrong cells is one wrong answer, and says no more
    /// about its worker than one of a single cell. Of `me`, the observer, nothing is recorded.
    pub fn learn(&mut self, verdicts: &[Verdict], me: &NodeId) -> Vec<Change> {
        let mut occasions: BTreeMap<NodeId, Occasion> = BTreeMap::new();
        let mut together = BTreeMap::new();
        for verdict in verdicts {
            match *verdict {
                Verdict::Right { worker, basis, .. } => {
                    let right = &mut occasions.entry(worker).or_default().right;
                    *right = (*right).max(Some(basis));
                }
                Verdict::Passed { worker, .. } => {
                    occasions.entry(worker).or_default().passed = true;
                }
                Verdict::Wrong { worker, proof, .. } => {
                    let wrong = &mut occasions.entry(worker).or_default().wrong;
                    *wrong = (*wrong).max(Some(proof));
                }
                Verdict::Together { worker, other, .. } => {
                    together.insert((worker.min(other), worker.max(other)), ());
                }
                _ => {}
            }
        }
        occasions.remove(me);
        for (one, other) in together.into_keys().filter(|(a, b)| a != me && b != me) {
            self.pairs.add(one, other);
        }
        let recorded = occasions.into_iter();
        recorded.filter_map(|(worker, occasion)| self.note(worker, occasion)).collect()
    }

    /// Records one verdict on one cell's answer; other verdicts say nothing about a node.
    ///
    /// Where a gridlet has several cells, use [`Ledger::learn`], or one bad gridlet would count as many bad
    /// answers, and blacklist an honest node on one occasion.
    pub fn record(&mut self, verdict: &Verdict) -> Option<Change> {
        let nothing = Occasion::default();
        match *verdict {
            Verdict::Right { worker, basis, .. } => {
                self.note(worker, Occasion { right: Some(basis), ..nothing })
            }
            Verdict::Passed { worker, .. } => {
                self.note(worker, Occasion { passed: true, ..nothing })
            }
            Verdict::Wrong { worker, proof, .. } => {
                self.note(worker, Occasion { wrong: Some(proof), ..nothing })
            }
            Verdict::Together { worker, other, .. } => {
                self.pairs.add(worker, other);
                None
            }
            Verdict::Accepted { .. }
            | Verdict::Retracted { .. }
            | Verdict::SampleWanted { .. }
            | Verdict::Hopeless { .. } => None,
        }
    }

    /// Records `right` answers that others agreed with, and at most one wrong one, with the strongest proof there
    /// is ([`Proof`] is ordered).
    pub fn record_many(
        &mut self,
        worker: NodeId,
        right: u64,
        wrong: Option<Proof>,
    ) -> Option<Change> {
        self.change(worker, |history, agreement, _| {
            history.right = history.right.saturating_add(right);
            history.agreed = history.agreed.saturating_add(right);
            history.checks += agreement * right as f32;
        });
        self.note(worker, Occasion { wrong, ..Occasion::default() })
    }

    fn note(&mut self, worker: NodeId, occasion: Occasion) -> Option<Change> {
        let mut listed = false;
        self.change(worker, |history, agreement, sample| {
            let right = occasion.right.filter(|_| occasion.wrong.is_none());
            history.right = history.right.saturating_add(u64::from(right.is_some()));
            let (count, weight) = match right {
                None | Some(Basis::Alone) => (&mut 0, 0.0),
                Some(Basis::Agreed) => (&mut history.agreed, agreement),
                Some(Basis::Quiz) => (&mut history.quizzes, 1.0),
                Some(Basis::Trusted) => (&mut history.trusted, 1.0),
            };
            *count = count.saturating_add(1);
            let passed = occasion.passed && occasion.wrong.is_none();
            history.samples = history.samples.saturating_add(passed.into());
            history.checks += if passed { weight.max(sample) } else { weight };
            match occasion.wrong {
                None => {}
                Some(Proof::Outvoted) => {
                    history.outvoted = history.outvoted.saturating_add(1);
                    history.price += OUTVOTED_PRICE;
                    listed = history.too_often_outvoted();
                }
                Some(Proof::Quiz | Proof::Sample | Proof::Trusted) => {
                    history.sampled_wrong = history.sampled_wrong.saturating_add(1);
                    history.price += PROVEN_PRICE;
                    listed = true;
                }
            }
            listed &= !history.blacklisted;
            history.blacklisted |= listed;
        });
        listed.then_some(Change::Blacklisted(worker))
    }

    /// Changes a history, given what an agreement and a sample weigh, and keeps the counts for the prior.
    fn change(&mut self, node: NodeId, act: impl FnOnce(&mut History, f32, f32)) {
        let agreement = (1.0 - self.prior()) / 2.0;
        let (agreement, sample) = (agreement as f32, self.sample_power as f32);
        let at = self.entry(node);
        let history = &mut self.nodes[at].1;
        let before = (history.blacklisted, history.is_cleared());
        act(history, agreement, sample);
        let after = (history.blacklisted, history.is_cleared());
        self.liars = self.liars - u32::from(before.0) + u32::from(after.0);
        self.cleared = self.cleared - u32::from(before.1) + u32::from(after.1);
    }

    /// The share of liars in the population, as far as this node has seen.
    pub fn prior(&self) -> f64 {
        let (liars, cleared) = (f64::from(self.liars), f64::from(self.cleared));
        let share = (ASSUMED_LIARS * PRIOR_NODES + liars) / (PRIOR_NODES + liars + cleared);
        share.min(MOST_LIARS)
    }

    /// How likely the node's next answer is right: 0 if blacklisted, `1 - prior` for newcomers.
    pub fn credence(&self, node: &NodeId) -> f64 {
        self.history(node).credence(self.prior())
    }

    /// The same as [`Ledger::credence`].
    pub fn credibility(&self, node: &NodeId) -> f64 {
        self.credence(node)
    }

    /// Which share of the node's gridlets is to be checked under this policy: see the module.
    pub fn check_rate(&self, node: &NodeId, policy: &Policy) -> f64 {
        let least = f64::from(policy.sample_rate);
        let Decision::Credibility { max_error } = policy.decision else { return least };
        let history = self.history(node);
        let answers = history.answers().max(history.samples) as f64;
        let wanted = checks_wanted(self.prior(), max_error) / self.sample_power.max(0.01);
        let spread = wanted / answers.max(HORIZON);
        spread.max(1.0 / (1.0 + answers)).max(least).min(1.0)
    }

    /// Groups of nodes that gave the same wrong answers more than once, each sorted.
    pub fn suspects(&self) -> Vec<Vec<NodeId>> {
        self.pairs.groups()
    }

    /// Why the node is believed as far as it is.
    pub fn evidence(&self, node: &NodeId) -> Evidence {
        Evidence {
            history: self.history(node),
            credence: self.credence(node),
            newcomer: 1.0 - self.prior(),
            mates: self.pairs.of(node),
        }
    }

    /// It is so late: at most once a day, lets what was learned count less for the time since it last did. Whether it
    /// did, or began to count the time, and so wants to be saved. However long this node was off, or
    /// however far its clock jumped, evidence keeps half of its weight; a clock that goes back waits.
    pub fn age_until(&mut self, now: Time) -> bool {
        let begins = self.aged == Time::ZERO;
        let days = now.since(self.aged).as_secs_f64() / DAY_SECONDS;
        if !begins && days < 1.0 {
            return false;
        }
        if !begins {
            self.age(days.min(HALF_LIFE_DAYS));
        }
        self.aged = now;
        now != Time::ZERO
    }

    /// So many days went by: what was learned before counts less.
    pub fn age(&mut self, days: f64) {
        let left = (-days.max(0.0) / HALF_LIFE_DAYS).exp2() as f32;
        for (_, history) in &mut self.nodes {
            history.checks *= left;
            history.price *= left;
        }
        self.recount();
    }

    fn recount(&mut self) {
        let count = |is: fn(&History) -> bool| {
            self.nodes.iter().filter(|(_, history)| is(history)).count() as u32
        };
        self.liars = count(|history| history.blacklisted);
        self.cleared = count(History::is_cleared);
    }

    /// Whether the node gets no work.
    pub fn is_blacklisted(&self, node: &NodeId) -> bool {
        self.history(node).blacklisted
    }

    /// What is known of the node; nothing, for a newcomer.
    pub fn history(&self, node: &NodeId) -> History {
        self.numbers.get(node).map(|&at| self.nodes[at as usize].1).unwrap_or_default()
    }

    /// Blacklists a node by the user's will.
    pub fn blacklist(&mut self, node: NodeId) {
        self.change(node, |history, _, _| history.blacklisted = true);
    }

    /// Takes a node off the blacklist. Its history stays, so that its next wrong answer lists it
    /// again.
    pub fn pardon(&mut self, node: NodeId) {
        if self.numbers.contains_key(&node) {
            self.change(node, |history, _, _| history.blacklisted = false);
        }
    }

    /// All histories, by node. Sorts them: not for hot paths.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &History)> {
        let mut all: Vec<&(NodeId, History)> = self.nodes.iter().collect();
        all.sort_unstable_by_key(|(node, _)| *node);
        all.into_iter().map(|(node, history)| (node, history))
    }

    /// Where the history of `node` is, for which room is made.
    fn entry(&mut self, node: NodeId) -> usize {
        if let Some(&at) = self.numbers.get(&node) {
            return at as usize;
        }
        if self.nodes.len() >= self.capacity {
            self.forget_one();
        }
        self.numbers.insert(node, self.nodes.len() as u32);
        self.nodes.push((node, History::default()));
        self.nodes.len() - 1
    }

    /// Forgets who is known least: not blacklisted, no wrong answer, few answers. So newcomers
    /// made up by the thousand push out each other, and neither friends nor foes.
    fn forget_one(&mut self) {
        let weight = |(node, history): &(NodeId, History)| {
            let wrong = history.outvoted > 0 || history.sampled_wrong > 0;
            (history.blacklisted, wrong, history.answers(), *node)
        };
        let all = self.nodes.iter().enumerate();
        let Some((at, _)) = all.min_by_key(|(_, entry)| weight(entry)) else { return };
        let (node, history) = self.nodes.swap_remove(at);
        self.numbers.swap_remove(&node);
        if let Some((moved, _)) = self.nodes.get(at) {
            self.numbers.insert(*moved, at as u32);
        }
        self.liars -= u32::from(history.blacklisted);
        self.cleared -= u32::from(history.is_cleared());
    }
}

#[cfg(test)]
mod tests;
