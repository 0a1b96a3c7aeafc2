//! Tickets: an invitation with its secret, and where members can be reached, as one line of text to hand on.
//!
//! Whoever has the line can use it, as often as the invitation allows. The text is `outlast2`, then in lower-case base
//! 32 without padding: the postcard form of the parts, and four bytes of its hash. About 435 characters for an
//! invitation by who made the VO, with one address; 220 more for each member between the inviter and the root, 11 for
//! each further address, 50 for each further node, and what a relay takes.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use outlast_types::{Hash, NodeId, limits};
use serde::{Deserialize, Serialize};

use crate::signing::{Secret, Signature};
use crate::{Credential, Invitation, InvitationId, Refusal, Terms};

/// In front of every ticket; the number is the version of what follows.
const PREFIX: &str = "outlast2";

/// What every version begins with.
const ANY_PREFIX: &str = "outlast";

/// Of the hash of the rest, at its end: a typo goes unnoticed once in four thousand million times.
const CHECKSUM_BYTES: usize = 4;

/// Nodes of a ticket: the one that made it, and a few more in case that it is off.
pub const TICKET_NODES: usize = 4;

/// Addresses of one node. More make the line too long to hand on.
const ADDRESSES: usize = 8;

/// Text longer than any ticket.
const TEXT_BYTES: usize = 8192;

/// A node that may be asked to enrol who has the ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketNode {
    /// Its key.
    pub node: NodeId,
    /// Where it may be reached.
    pub addresses: Vec<SocketAddr>,
    /// The relay that reaches it where no address does, at most [`limits::RELAY_BYTES`].
    pub relay: Option<String>,
}

/// See the module. Its `Debug` doesn't show the secret, its `Display` is it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The invitation.
    pub invitation: Invitation,
    /// Its secret.
    pub secret: Secret,
    /// Whom to ask, the first one first.
    pub nodes: Vec<TicketNode>,
}

/// A text is no ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It is something else.
    #[error(
        "expected a ticket, which begins with `{PREFIX}`: `outlast invite` on a member makes one"
    )]
    Prefix,
    /// Of another version.
    #[error(
        "the ticket was made by another version of outlast: ask for a new one, which begins with `{PREFIX}` (`outlast invite` on a member makes it)"
    )]
    Version,
    /// The checksum says so.
    #[error("the ticket is cut or mistyped: it is one line, copy all of it")]
    Damaged,
    /// The checksum is right, the rest can't be read.
    #[error("the ticket can't be read: expected what `outlast invite` makes")]
    Malformed,
    /// Too many nodes or addresses.
    #[error("the ticket has {found} {what}, expected {least} to {limit}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// At least.
        least: usize,
        /// At most.
        limit: usize,
    },
    /// Its invitation isn't good.
    #[error(transparent)]
    Invitation(#[from] Refusal),
}

/// What travels. The inviter, the most frequent node of a ticket, isn't written twice; the invitation's id follows from
/// its secret.
#[derive(Serialize, Deserialize)]
struct Body {
    inviter: Credential,
    terms: Terms,
    signature: Signature,
    seed: [u8; 32],
    /// `None` is the inviter.
    nodes: Vec<(Option<NodeId>, Vec<SocketAddr>, Option<String>)>,
}

impl Ticket {
    /// A ticket with the first few of these nodes, each with the first few of its addresses.
    pub fn new(
        invitation: Invitation,
        secret: Secret,
        nodes: impl IntoIterator<Item = TicketNode>,
    ) -> Self {
        let short = |mut node: TicketNode| {
            node.addresses.truncate(ADDRESSES);
            node
        };
        let nodes = nodes.into_iter().take(TICKET_NODES).map(short).collect();
        Self { invitation, secret, nodes }
    }

    /// Which VO it is for.
    pub fn vo(&self) -> outlast_types::VoId {
        self.invitation.inviter.vo
    }

    /// Whether a node is one of those to ask.
    pub fn names(&self, node: NodeId) -> bool {
        self.nodes.iter().any(|of| of.node == node)
    }

    /// The bounds of what somebody may have made by hand, and the invitation's own signatures.
    fn check(&self) -> Result<(), TicketError> {
        let count = |what, found, least, limit| {
            let fits = (least..=limit).contains(&found);
            fits.then_some(()).ok_or(TicketError::Count { what, found, least, limit })
        };
        count("nodes", self.nodes.len(), 1, TICKET_NODES)?;
        for node in &self.nodes {
            // A node behind a relay may have none.
            let least = usize::from(node.relay.is_none());
            count("addresses of a node", node.addresses.len(), least, ADDRESSES)?;
            let Some(relay) = &node.relay else { continue };
            count("bytes of a relay's address", relay.len(), 1, limits::RELAY_BYTES)?;
            if relay.contains(char::is_control) {
                return Err(TicketError::Malformed);
            }
        }
        self.invitation.check()?;
        Ok(())
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = *Hash::of(body).as_bytes();
    [a, b, c, d]
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Invitation { inviter, terms, signature, .. } = &self.invitation;
        let holder = inviter.holder();
        let nodes = self.nodes.iter().map(|TicketNode { node, addresses, relay }| {
            ((Some(*node) != holder).then_some(*node), addresses.clone(), relay.clone())
        });
        let body = Body {
            inviter: inviter.clone(),
            terms: *terms,
            signature: *signature,
            seed: *self.secret.seed(),
            nodes: nodes.collect(),
        };
        let mut bytes = postcard::to_stdvec(&body).map_err(|_| fmt::Error)?;
        bytes.extend(checksum(&bytes));
        let mut text = data_encoding::BASE32_NOPAD.encode(&bytes);
        text.make_ascii_lowercase();
        write!(f, "{PREFIX}{text}")
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        // Capitals are forgiven, as are blanks around it.
        let text = text.trim();
        if text.len() > TEXT_BYTES {
            return Err(TicketError::Damaged);
        }
        let text = text.to_ascii_lowercase();
        let text = match text.strip_prefix(PREFIX) {
            Some(rest) => rest,
            None if text.starts_with(ANY_PREFIX) => return Err(TicketError::Version),
            None => return Err(TicketError::Prefix),
        };
        let bytes = data_encoding::BASE32_NOPAD
            .decode(text.to_ascii_uppercase().as_bytes())
            .map_err(|_| TicketError::Damaged)?;
        let (body, found) = bytes.split_last_chunk().ok_or(TicketError::Damaged)?;
        if checksum(body) != *found {
            return Err(TicketError::Damaged);
        }
        let Ok((body, [])) = postcard::take_from_bytes::<Body>(body) else {
            return Err(TicketError::Malformed);
        };
        let Body { inviter, terms, signature, seed, nodes } = body;
        let holder = inviter.holder().ok_or(TicketError::Malformed)?;
        let secret = Secret::from_seed(&seed);
        let id = InvitationId::of(&secret);
        let nodes = nodes.into_iter().map(|(node, addresses, relay)| TicketNode {
            node: node.unwrap_or(holder),
            addresses,
            relay,
        });
        let invitation = Invitation { inviter, id, terms, signature };
        let ticket = Self { invitation, secret, nodes: nodes.collect() };
        ticket.check()?;
        Ok(ticket)
    }
}

#[cfg(test)]
mod tests;
