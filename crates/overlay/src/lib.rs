//! Who is in the grid: membership without I/O.
//!
//! The minimal form: every node knows every other and hears its heartbeats (bounded by
//! [`limits::MEMBERS`]); sub-grids and super-peers come on top of it. Members learn of each other
//! from any one of them:
//!
//! ```text
//!   newcomer ──Hello(card, ad)──▶ any member        Heartbeats carry a digest of whom the sender knows.
//!            ◀──Welcome(card, ad, cards)──          Where it differs, the cards are pulled, and
//!   newcomer ──Hello──▶ each of the cards           unknown nodes greeted.
//! ```
//!
//! ```text
//!           heard of             silent: suspect_after      silent: lost_after
//!   contact ─────────▶ Alive ──────────────────────▶ Suspect ─────────────────▶ Lost ──forget_after──▶ gone
//!                        ▲ └────────Bye────▶ Left       │                        │
//!                        └──────────heard of again──────┴────────────────────────┘
//! ```
//!
//! # Invariants
//! - `Up` and `Down` of a node alternate, beginning with `Up`.
//! - What a third party says of a node only leads to a greeting; a node's card and ad come from
//!   itself. Senders are authenticated by the transport.
//! - A higher incarnation is a restart: the node's earlier life is `Down` first.

mod membership;
mod message;

pub use membership::{Counters, Effect, Member, Membership, Settings, State};
pub use message::{Card, MAX_ADDRESSES, MAX_CARDS, Message};
#[doc(no_inline)]
pub use outlast_types::limits;
