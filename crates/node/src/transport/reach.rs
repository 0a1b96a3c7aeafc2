//! How this node is reached: what it listens on, and what others say.
//!
//! A node can't see its own NAT, nor which of its addresses others get through to. Others can: each
//! connection's ends tell each other the address under which they see each other (`admission`). What they say
//! isn't believed further than this: the few addresses that most nodes name are handed on, for others to try.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use outlast_types::{NodeId, limits};

use super::peer::ADDRESSES;

/// Nodes whose word is kept: as many as there can be members.
const WITNESSES: usize = limits::MEMBERS;

/// Observed addresses that are handed on: one for each family, and two for a change. A node that lies can
/// have others try that many addresses in vain.
const HANDED_ON: usize = 4;

/// How a node is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// What it listens on, with the addresses of all interfaces in place of a wildcard.
    pub listens: Vec<SocketAddr>,
    /// How others see it; what most of them say comes first.
    pub observed: Vec<Observed>,
    /// Its relays, in the order of the configuration.
    pub relays: Vec<RelayState>,
    /// Whether nodes of the LAN find it, and it them.
    pub lan: Lan,
}

/// How some nodes see this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The address; none: through a relay.
    pub address: Option<SocketAddr>,
    /// How many nodes say so.
    pub nodes: usize,
    /// Since the last of them said so.
    pub age: Duration,
}

/// A relay of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayState {
    /// Its address.
    pub url: String,
    /// This node is connected to it: others reach it there.
    pub connected: bool,
    /// Why not, if that is known.
    pub trouble: Option<String>,
}

/// Whether nodes of the LAN find each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lan {
    /// It is switched off, for this reason.
    #[default]
    Off,
    /// This node listens to its own machine alone.
    Loopback,
    /// There is nobody to look for: no organisation with other members.
    Silent,
    /// This node announces itself; so many nodes of the LAN belong to one of its organisations.
    Announcing(usize),
    /// It can't; what is wrong, and what to do about it.
    Trouble(String),
}

/// Where others are told to look for this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its addresses, its own first.
    pub addresses: Vec<SocketAddr>,
    /// The relay that it listens at.
    pub relay: Option<String>,
}

/// What others said lately.
#[derive(Debug, Default)]
pub(super) struct Observations(BTreeMap<NodeId, (Option<SocketAddr>, Instant)>);

impl Observations {
    /// A node says how it sees this one. An address that can be none is dropped.
    pub(super) fn note(&mut self, now: Instant, node: NodeId, address: Option<SocketAddr>) {
        if address.is_some_and(|address| !is_possible(address)) {
            return;
        }
        if self.0.len() >= WITNESSES && !self.0.contains_key(&node) {
            let oldest = self.0.iter().min_by_key(|(_, (_, since))| *since).map(|(node, _)| *node);
            oldest.map(|node| self.0.remove(&node));
        }
        self.0.insert(node, (address, now));
    }

    /// What is said, by how many, what most say first.
    pub(super) fn list(&self, now: Instant) -> Vec<Observed> {
        let mut said: BTreeMap<Option<SocketAddr>, (usize, Duration)> = BTreeMap::new();
        for (address, since) in self.0.values() {
            let age = now.saturating_duration_since(*since);
            let (nodes, youngest) = said.entry(*address).or_insert((0, age));
            *nodes += 1;
            *youngest = age.min(*youngest);
        }
        let mut list: Vec<Observed> = said
            .into_iter()
            .map(|(address, (nodes, age))| Observed { address, nodes, age })
            .collect();
        list.sort_by_key(|observed| (std::cmp::Reverse(observed.nodes), observed.address));
        list
    }

    /// The addresses to hand on besides a node's own.
    pub(super) fn others(&self, own: &[SocketAddr]) -> Vec<SocketAddr> {
        let list = self.list(Instant::now());
        let seen = list.into_iter().filter_map(|observed| observed.address);
        seen.filter(|address| !own.contains(address) && !address.ip().is_loopback())
            .take(HANDED_ON)
            .collect()
    }

    /// A node's own addresses and those that others see, within the bounds of a card.
    pub(super) fn place(&self, mut own: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let others = self.others(&own);
        own.truncate(ADDRESSES - others.len());
        own.extend(others);
        own
    }
}

fn is_possible(address: SocketAddr) -> bool {
    let ip = address.ip();
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: usize) -> NodeId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_le_bytes());
        NodeId::from_bytes(bytes)
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_most_nodes_say_comes_first_and_a_node_has_one_word() {
        let (mut seen, now) = (Observations::default(), Instant::now());
        seen.note(now, node(1), Some(address("10.0.0.5:7771")));
        seen.note(now, node(2), Some(address("10.0.0.5:7771")));
        seen.note(now, node(3), None);
        seen.note(now, node(4), Some(address("198.51.100.1:40000")));
        seen.note(now, node(4), Some(address("10.0.0.5:7771")));
        let later = now + Duration::from_secs(5);
        let list = seen.list(later);
        assert_eq!(list[0].address, Some(address("10.0.0.5:7771")));
        assert_eq!((list[0].nodes, list[0].age), (3, Duration::from_secs(5)));
        assert_eq!((list[1].address, list[1].nodes, list.len()), (None, 1, 2));
    }

    #[test]
    fn addresses_that_can_be_none_are_dropped_and_all_is_bounded() {
        let (mut seen, now) = (Observations::default(), Instant::now());
        for text in ["0.0.0.0:1", "224.0.0.1:1", "10.0.0.1:0", "[ff02::1]:5"] {
            seen.note(now, node(1), Some(address(text)));
        }
        assert_eq!(seen.list(now), []);
        for n in 0..WITNESSES + 10 {
            let port = 1 + n as u16;
            let now = now + Duration::from_millis(n as u64);
            seen.note(now, node(n), Some(SocketAddr::from(([10, 0, 0, 1], port))));
        }
        assert_eq!(seen.list(now).len(), WITNESSES);
        let own: Vec<SocketAddr> = (1..=20).map(|n| SocketAddr::from(([10, 1, 0, n], 1))).collect();
        let place = seen.place(own.clone());
        assert_eq!((place.len(), &place[..12]), (ADDRESSES, &own[..12]));
    }

    #[test]
    fn own_addresses_and_those_of_loopback_are_not_handed_on_as_seen() {
        let (mut seen, now) = (Observations::default(), Instant::now());
        seen.note(now, node(1), Some(address("10.0.0.5:7771")));
        seen.note(now, node(2), Some(address("127.0.0.1:7771")));
        seen.note(now, node(3), Some(address("198.51.100.1:7771")));
        let place = seen.place(vec![address("10.0.0.5:7771")]);
        assert_eq!(place, [address("10.0.0.5:7771"), address("198.51.100.1:7771")]);
    }
}
