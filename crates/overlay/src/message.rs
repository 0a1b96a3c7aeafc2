//! What nodes say to each other about who is there.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use outlast_types::{Ad, NodeId};

/// Addresses of one node: a few networks, two families; more is noise.
pub const MAX_ADDRESSES: usize = 8;

/// Cards in one message: 100 kB at worst, and the next pull brings others.
pub const MAX_CARDS: usize = 256;

/// Where a node is, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The node.
    pub node: NodeId,
    /// At most [`MAX_ADDRESSES`].
    pub addresses: Vec<SocketAddr>,
    /// When it started: higher after a restart. 0 where it isn't known.
    pub incarnation: u64,
}

/// What nodes say to each other about who is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// I am here; who are you?
    Hello {
        /// The sender's.
        card: Card,
        /// The sender's.
        ad: Ad,
    },
    /// I am here, too, and these I know.
    Welcome {
        /// The sender's.
        card: Card,
        /// The sender's.
        ad: Ad,
        /// Others, at most [`MAX_CARDS`].
        cards: Vec<Card>,
    },
    /// I am still here.
    Heartbeat {
        /// The sender's.
        incarnation: u64,
        /// The sender's.
        ad: Ad,
        /// Of the set of nodes that it holds alive, itself included.
        digest: u64,
    },
    /// Whom do you know?
    Pull {
        /// Which part, if there are more than fit into a message.
        page: u32,
    },
    /// These.
    Cards {
        /// At most [`MAX_CARDS`].
        cards: Vec<Card>,
        /// Ask for this page next.
        next: Option<u32>,
    },
    /// I leave.
    Bye,
}
