//! A member of the grid, as one node sees it.

use std::net::SocketAddr;
use std::time::Duration;

use outlast_types::{Ad, NodeId, Time, limits};
use serde::{Deserialize, Serialize};

use crate::MAX_ADDRESSES;

/// How to reach a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its key.
    pub node: NodeId,
    /// Its addresses, at most [`MAX_ADDRESSES`].
    pub addresses: Vec<SocketAddr>,
    /// The address of the relay that it listens at, at most [`limits::RELAY_BYTES`].
    pub relay: Option<String>,
    /// When it was started: higher after a restart. 0 if not known.
    pub incarnation: u64,
}

impl Card {
    /// Whether it keeps the bounds, and may be shown on a terminal.
    pub(crate) fn is_valid(&self) -> bool {
        self.addresses.len() <= MAX_ADDRESSES && self.relay.as_deref().is_none_or(is_relay)
    }

    /// Cuts it to the bounds.
    pub(crate) fn tidied(mut self) -> Self {
        self.addresses.truncate(MAX_ADDRESSES);
        self.relay = self.relay.filter(|relay| is_relay(relay));
        self
    }

    /// Whether there is a way to the node.
    pub(crate) fn is_reachable(&self) -> bool {
        !self.addresses.is_empty() || self.relay.is_some()
    }

    /// Whether both say the same of how to reach it.
    pub(crate) fn same_place(&self, other: &Self) -> bool {
        (&self.addresses, &self.relay) == (&other.addresses, &other.relay)
    }

    /// Adds what another card of the node says behind what this one has, as far as there is room. Says
    /// whether there was anything new.
    pub(crate) fn add(&mut self, other: &Self) -> bool {
        let before = (self.addresses.len(), self.relay.is_some());
        for address in &other.addresses {
            if self.addresses.len() < MAX_ADDRESSES && !self.addresses.contains(address) {
                self.addresses.push(*address);
            }
        }
        if self.relay.is_none() {
            self.relay.clone_from(&other.relay);
        }
        (self.addresses.len(), self.relay.is_some()) != before
    }
}

fn is_relay(relay: &str) -> bool {
    relay.len() <= limits::RELAY_BYTES && !relay.contains(char::is_control)
}

/// Whether a member is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is heard.
    Alive,
    /// It was silent for a while, or its connection is gone. Still up.
    Suspect,
    /// Silent for too long; probed.
    Lost,
    /// It said goodbye.
    Left,
}

impl State {
    /// Alive or suspect: the last effect for it was `Up`.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

/// A node that introduced itself.
#[derive(Clone, Debug)]
pub struct Member {
    /// How to reach it.
    pub card: Card,
    /// What it offers.
    pub ad: Ad,
    /// Whether it is there.
    pub state: State,
    /// When something came from it.
    pub last_heard: Time,
    /// When its state changed.
    pub since: Time,
    /// Round-trip time, smoothed; none before the first measurement.
    pub rtt: Option<Duration>,

    /// The user asked for it: never given up.
    pub(crate) wanted: bool,
    /// How long it may be silent beyond what a node with work may.
    pub(crate) slack: Duration,
    /// Stamp of its newest heartbeat, and when that came.
    pub(crate) stamp: Option<(u64, Time)>,
    /// Since when its digest differs from ours.
    pub(crate) differs: Option<Time>,
    /// Both digests at the last pull, and when that was.
    pub(crate) pulled: Option<(u64, u64, Time)>,
    /// When it was sent our cards.
    pub(crate) told: Option<Time>,
    /// When it is lost: the next probe, and how long after that the one after it.
    pub(crate) probe_at: Time,
    pub(crate) backoff: Duration,
}

impl Member {
    pub(crate) fn new(card: Card, ad: Ad, wanted: bool, now: Time) -> Self {
        Self {
            card,
            ad,
            state: State::Alive,
            last_heard: now,
            since: now,
            rtt: None,
            wanted,
            slack: Duration::ZERO,
            stamp: None,
            differs: None,
            pulled: None,
            told: None,
            probe_at: now,
            backoff: Duration::ZERO,
        }
    }

    pub(crate) fn turn(&mut self, state: State, now: Time) {
        self.state = state;
        self.since = now;
    }

    /// Takes a measurement; as TCP smooths it (RFC 6298).
    pub(crate) fn measured(&mut self, sample: Duration) {
        self.rtt = Some(self.rtt.map_or(sample, |rtt| (rtt * 7 + sample) / 8));
    }
}
