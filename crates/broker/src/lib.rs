//! Which node gets the next gridlet: placement policies without I/O.
//!
//! A [`Policy`] chooses among [`Candidate`]s that may have the work; whether a node may have it at all (blacklist, requirements,
//! who answered already) is the coordinator's business. Policies are deterministic: ties go to the
//! smaller id.

use std::cmp::Ordering;

use outlast_types::{Ad, NodeId};

/// A node that may be given work.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The node.
    pub node: NodeId,
    /// What it says of itself.
    pub ad: &'a Ad,
    /// How far it is believed, 0 to 1.
    pub credibility: f64,
    /// Leases that this coordinator already has there.
    pub outstanding: u32,
    /// It is the submitter itself: no transfer, and its answers are trusted.
    pub local: bool,
}

/// How many more leases a node may be given: its slots, and `prefetch` more so that it needn't wait
/// for the next one.
pub fn room(candidate: &Candidate<'_>, prefetch: u32) -> u32 {
    let ad = candidate.ad;
    if ad.draining || ad.slots == 0 {
        return 0;
    }
    (ad.slots.saturating_add(prefetch)).saturating_sub(candidate.outstanding)
}

/// Chooses where work goes.
pub trait Policy: Send {
    /// Its name in configuration and reports.
    fn name(&self) -> &'static str;

    /// The index of the node that gets a gridlet of this cost (in any unit); `None` if there is no candidate.
    fn choose(&mut self, candidates: &[Candidate<'_>], cost: f64) -> Option<usize>;
}

/// One after another, by id.
#[derive(Clone, Debug, Default)]
pub struct RoundRobin {
    last: Option<NodeId>,
}

impl Policy for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn choose(&mut self, candidates: &[Candidate<'_>], _: f64) -> Option<usize> {
        let by_id = |&(_, candidate): &(usize, &Candidate<'_>)| candidate.node;
        let all = || candidates.iter().enumerate();
        let next = all()
            .filter(|(_, candidate)| self.last.is_none_or(|last| candidate.node > last))
            .min_by_key(by_id)
            .or_else(|| all().min_by_key(by_id));
        next.map(|(index, candidate)| {
            self.last = Some(candidate.node);
            index
        })
    }
}

/// The most free computing power first, as ClassAds-like brokers do (PhantomOS, 4.3, its baseline): free slots, then speed
/// under the present load, then credibility.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flops;

impl Flops {
    fn compare(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
        let idle = |c: &Candidate<'_>| c.ad.slots > c.outstanding;
        // Speed that one more gridlet would get: a share of the cores that are free of other load.
        let speed = |c: &Candidate<'_>| {
            let cores = f64::from(c.ad.cores.max(1));
            let busy = f64::from(c.ad.load_milli) / 1000.0 + f64::from(c.outstanding);
            (c.ad.flops.max(1)) as f64 * (cores / (busy + 1.0)).min(1.0)
        };
        idle(a)
            .cmp(&idle(b))
            .then(share(b).total_cmp(&share(a)))
            .then(speed(a).total_cmp(&speed(b)))
            .then(a.credibility.total_cmp(&b.credibility))
            .then(b.node.cmp(&a.node))
    }
}

/// How much of its slots this coordinator already uses: the least used first, so that work spreads.
fn share(candidate: &Candidate<'_>) -> f64 {
    f64::from(candidate.outstanding) / f64::from(candidate.ad.slots.max(1))
}

impl Policy for Flops {
    fn name(&self) -> &'static str {
        "flops"
    }

    fn choose(&mut self, candidates: &[Candidate<'_>], _: f64) -> Option<usize> {
        (0..candidates.len()).max_by(|&a, &b| Self::compare(&candidates[a], &candidates[b]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    fn ad(slots: u32, flops: u64, load_milli: u32) -> Ad {
        Ad { slots, cores: slots, flops, load_milli, ..Ad::default() }
    }

    fn candidate(n: u8, ad: &Ad, outstanding: u32) -> Candidate<'_> {
        Candidate { node: node(n), ad, credibility: 0.5, outstanding, local: false }
    }

    #[test]
    fn a_node_that_leaves_or_offers_nothing_has_no_room() {
        let leaving = Ad { draining: true, ..ad(4, 1, 0) };
        assert_eq!(room(&candidate(1, &leaving, 0), 2), 0);
        assert_eq!(room(&candidate(1, &ad(0, 1, 0), 0), 2), 0);
        assert_eq!(room(&candidate(1, &ad(4, 1, 0), 5), 2), 1);
        assert_eq!(room(&candidate(1, &ad(4, 1, 0), 9), 2), 0);
    }

    #[test]
    fn round_robin_visits_everybody_in_turn() {
        let ad = ad(1, 1, 0);
        let nodes = [candidate(3, &ad, 0), candidate(1, &ad, 0), candidate(2, &ad, 0)];
        let mut policy = RoundRobin::default();
        let visited: Vec<_> =
            (0..4).filter_map(|_| policy.choose(&nodes, 1.0)).map(|i| nodes[i].node).collect();
        assert_eq!(visited, [node(1), node(2), node(3), node(1)]);
        assert_eq!(policy.choose(&[], 1.0), None);
    }

    #[test]
    fn flops_prefers_idle_then_fast_then_unloaded() {
        let (slow, fast, loaded) = (ad(2, 1_000, 0), ad(2, 5_000, 0), ad(2, 5_000, 8_000));
        let mut policy = Flops;
        let nodes = [candidate(1, &slow, 0), candidate(2, &fast, 0), candidate(3, &loaded, 0)];
        assert_eq!(policy.choose(&nodes, 1.0), Some(1));
        let nodes = [candidate(1, &slow, 0), candidate(2, &fast, 2)];
        assert_eq!(policy.choose(&nodes, 1.0), Some(0), "a full node waits, however fast");
    }

    #[test]
    fn ties_go_to_the_smaller_id() {
        let ad = ad(2, 1_000, 0);
        let nodes = [candidate(2, &ad, 0), candidate(1, &ad, 0)];
        assert_eq!(Flops.choose(&nodes, 1.0), Some(1));
    }
}
