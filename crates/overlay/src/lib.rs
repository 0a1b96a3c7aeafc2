//! Who is in the grid: membership without I/O.
//!
//! ```text
//!              answers          silent for `suspect_after`     silent for `lost_after`
//!   contact ───────────▶ Alive ────────────────────────▶ Suspect ───────────▶ Lost ──▶ forgotten
//!   (ticket, or          ▲ │ ▲    or connection lost        │                  │ ▲ probed with
//!    told by a member)   │ │ └────────── heard ─────────────┘                  │ └─ backoff
//!                        │ └──── Bye ───▶ Left ──▶ forgotten                   │
//!                        └────────── heard, or a new life ◀────────────────────┘
//! ```
//!
//! Every member heartbeats to every other one (a full mesh, bounded by
//! [`limits::MEMBERS`](outlast_types::limits::MEMBERS)). A newcomer greets one member, is told of the
//! others, and greets each of them itself. Heartbeats carry a digest of who the sender sees; where two
//! differ for longer than a greeting takes, one pulls the other's cards. So a table is complete
//! again after loss, and two halves of a parted grid find each other.
//!
//! # Invariants
//! - [`Effect::Up`] and [`Effect::Down`] alternate for each node. A node that was started again goes down and up.
//! - Nobody is a member who didn't introduce itself. What a third party says only makes a node
//!   greet a stranger, or probe a lost member: it changes nothing about a node that is heard.
//! - Who is silent for `lost_after` is down, whatever the transport says.
//! - Nobody hears of a node with which it has no organisation in common (that this node knows of).
//! - All tables, lists and texts are bounded; what breaks a bound is dropped and counted.
//! - Messages that a node sends in a second are linear in the members it has.
//!
//! It does not decide whom to trust: whoever is let in to speak may be a member. Who may hear of whom
//! follows from the organisations that nodes share ([`Membership::set_shared`]).

mod member;
mod membership;
mod message;
mod settings;

pub use member::{Card, Member, State};
pub use membership::{Counters, Effect, Membership};
pub use message::{
    Echo, Introduction, MAX_CARDS, MAX_KIND_BYTES, MAX_NAME_BYTES, MAX_VERSION_BYTES, Message,
};
pub use settings::{BRISK, MAX_REST, Settings};

/// Addresses on a card: as many as a ticket has.
pub const MAX_ADDRESSES: usize = 16;
