//! What members say to each other about who is there.
//!
//! ```text
//!   newcomer                      member
//!   Hello{cards: true} ─────────▶          (a member from here on)
//!            ◀───────── Welcome{cards}
//!   Hello ─▶ each of the cards
//!   Heartbeat ◀───────────────▶ Heartbeat  (digests differ for long: Pull, Cards)
//!   Bye ───────────────────────▶
//! ```
//!
//! Who the sender is comes from the transport, never from the message.

use std::net::SocketAddr;

use outlast_types::{Ad, NodeId, limits};
use serde::{Deserialize, Serialize};

use crate::Card;

/// Cards in one message: a whole table. 640 KiB at most, a sixth of a frame.
pub const MAX_CARDS: usize = limits::MEMBERS;

/// A node's name for people: what a host name may have.
pub const MAX_NAME_BYTES: usize = 255;

/// The text of a version, with room for a build's name.
pub const MAX_VERSION_BYTES: usize = 64;

/// What a node's machine is: a few words.
pub const MAX_KIND_BYTES: usize = 128;

/// A node about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// Where it may be reached.
    pub addresses: Vec<SocketAddr>,
    /// The relay that it listens at.
    pub relay: Option<String>,
    /// When it was started.
    pub incarnation: u64,
    /// What it offers.
    pub ad: Ad,
}

/// The newest heartbeat that the sender has from the receiver: for the round-trip time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// Its stamp.
    pub stamp: u64,
    /// Microseconds since it came.
    pub held_us: u64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// This is me; who are you?
    Hello {
        /// The sender.
        me: Introduction,
        /// And who else is there?
        cards: bool,
    },
    /// The answer.
    Welcome {
        /// The sender.
        me: Introduction,
        /// As in [`Self::Cards`], if asked for.
        cards: Vec<Card>,
    },
    /// The sender is there.
    Heartbeat {
        /// Of the sender, as introduced.
        incarnation: u64,
        /// What it offers now.
        ad: Ad,
        /// Of the nodes that it sees, itself included.
        digest: u64,
        /// The sender's clock in microseconds.
        stamp: u64,
        /// Of the receiver's last one.
        echo: Option<Echo>,
        /// The sender didn't hear the receiver for a while: say something at once.
        answer: bool,
        /// Milliseconds to the sender's next one, at most.
        next_ms: u32,
    },
    /// Whom do you see?
    Pull,
    /// Nodes that the sender hears, without the receiver and itself.
    Cards {
        /// At most [`MAX_CARDS`].
        cards: Vec<Card>,
    },
    /// The sender has no room for another member.
    Full,
    /// The sender leaves.
    Bye {
        /// Of the sender.
        incarnation: u64,
    },
}

impl Introduction {
    /// The card in it; none if it breaks a bound.
    pub(crate) fn split(self, node: NodeId) -> Option<(Card, Ad)> {
        let Self { addresses, relay, incarnation, ad } = self;
        let card = Card { node, addresses, relay, incarnation };
        (card.is_valid() && is_valid(&ad)).then_some((card, ad))
    }
}

/// Whether the texts of another node's ad may be kept and shown on a terminal.
pub(crate) fn is_valid(ad: &Ad) -> bool {
    let fine = |text: &str, limit| text.len() <= limit && !text.contains(char::is_control);
    fine(&ad.name, MAX_NAME_BYTES)
        && fine(&ad.version, MAX_VERSION_BYTES)
        && fine(&ad.kind, MAX_KIND_BYTES)
}

/// This node's own ad, so that others take it.
pub(crate) fn tidied(mut ad: Ad) -> Ad {
    let texts = [
        (&mut ad.name, MAX_NAME_BYTES),
        (&mut ad.version, MAX_VERSION_BYTES),
        (&mut ad.kind, MAX_KIND_BYTES),
    ];
    for (text, limit) in texts {
        text.retain(|c| !c.is_control());
        text.truncate(text.floor_char_boundary(limit));
    }
    ad
}
