//! Virtual organisations: who may do what, by signed certificates.
//!
//! A virtual organisation (VO) is known by its root's public key ([`VoId`]). Membership is a chain of certificates that
//! begins at the root and ends at a node's own key:
//!
//! ```text
//!   root ──signs──▶ A: submit, execute, invite, manage
//!                     A ──signs──▶ B: submit, execute, invite, until June
//!                                    B ──signs──▶ C: submit
//! ```
//!
//! Nobody can hand on more than he has: rights, and time. A certificate names the key of its holder, and a connection
//! proves who holds the key, so a stolen certificate is worth nothing. There is no server to ask: whoever knows
//! the root's key can check a chain.
//!
//! - [`Credential`]: the chain. [`Rights`]: what it allows.
//! - [`Invitation`]: a signed promise of a certificate. [`Ticket`]: an invitation, its secret, and addresses, as a
//!   line of text. Joining needs a member that is there and may invite: it issues the certificate.
//! - [`Record`]s: what can't be said by a certificate, since it takes something back: expulsions, and claims of
//!   invitations that may be used once. A set that only grows, spread among the members.
//! - [`Keyring`]: all of a node's VOs as one state machine, and what two nodes say to each other first.
//!
//! **Invariants.** Nothing is believed that isn't signed along a chain from the root. A signature never serves for
//! something else: each kind of payload has a name and a version of its own. Everything has a bound. The same inputs
//! give the same bytes: keys, seeds and the time come from outside.
//!
//! **What it doesn't do.** It doesn't hide who belongs to a VO from its members, and it can't take back what a node was
//! told while it was a member. A member that may invite is trusted not to let in whom it shouldn't.

mod credential;
mod invitation;
mod keyring;
mod name;
mod record;
mod refusal;
mod rights;
mod signing;
mod ticket;
mod wall;

pub use credential::{CHAIN, Certificate, Credential};
pub use invitation::{INVITATION_LIFE, Invitation, InvitationId, Proof, Terms, Uses};
pub use keyring::{
    Admission, CLOCK_TOLERANCE, Confirmation, HELLO_BYTES, Keyring, KeyringError, MEMBERS, Merged,
    SAVED_BYTES, Standing, VOS, Vo,
};
pub use name::{NAME_BYTES, NameError, VoName};
pub use outlast_types::{NodeId, VoId};
pub use record::{CLAIMS, EXPULSIONS, Fact, KEPT, RECORD_BYTES, Record, Records};
pub use refusal::{Clocks, ENROL_ELSEWHERE, REFUSAL_BYTES, Refusal, TICKET_REFUSED};
pub use rights::{Rights, RightsError};
pub use signing::{Secret, Signature};
pub use ticket::{TICKET_NODES, Ticket, TicketError, TicketNode};
pub use wall::WallTime;

#[cfg(test)]
mod testing;
