//! Join tickets: how to reach a node, as one line of text to hand on.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::NodeId;
use crate::limits::RELAY_BYTES;

/// In front of every ticket; the number is the version of what follows.
const PREFIX: &str = "outlast1";

/// Of the hash of the rest, at its end: a typo goes unnoticed once in four thousand million times.
const CHECKSUM_BYTES: usize = 4;

/// Addresses of one node. More make the line too long to hand on.
const ADDRESSES: usize = 16;

/// Text longer than any ticket with [`ADDRESSES`] addresses.
const TEXT_BYTES: usize = 1440;

/// A node's key, and where it may be reached.
///
/// As text: `outlast1`, then in lower-case base 32 without padding the postcard form of both and four
/// bytes of its hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// Its key.
    pub node: NodeId,
    /// Its addresses.
    pub addresses: Vec<SocketAddr>,
    /// The relay that it listens at.
    pub relay: Option<String>,
}

/// A text is no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It is something else.
    #[error("expected a ticket, which begins with `{PREFIX}`")]
    Prefix,
    /// The checksum says so.
    #[error("the ticket is cut or mistyped")]
    Damaged,
    /// The checksum is right, the rest can't be read.
    #[error("the ticket was made by another version of outlast")]
    Malformed,
    /// Nobody to reach.
    #[error("the ticket has {0} addresses, expected 1 to {ADDRESSES}")]
    Addresses(usize),
}

impl Ticket {
    /// A ticket; of the addresses, the first sixteen.
    pub fn new(node: NodeId, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { node, addresses: addresses.into_iter().take(ADDRESSES).collect(), relay: None }
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = blake3::hash(body);
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = postcard::to_stdvec(self).map_err(|_| fmt::Error)?;
        bytes.extend(checksum(&bytes));
        let mut text = data_encoding::BASE32_NOPAD.encode(&bytes);
        text.make_ascii_lowercase();
        write!(f, "{PREFIX}{text}")
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Capitals are forgiven, as are blanks around it.
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix(PREFIX).ok_or(TicketError::Prefix)?;
        if text.len() > TEXT_BYTES {
            return Err(TicketError::Damaged);
        }
        let bytes = data_encoding::BASE32_NOPAD
            .decode(text.to_ascii_uppercase().as_bytes())
            .map_err(|_| TicketError::Damaged)?;
        let (body, found) = bytes.split_last_chunk().ok_or(TicketError::Damaged)?;
        if checksum(body) != *found {
            return Err(TicketError::Damaged);
        }
        let ticket: Self = match postcard::take_from_bytes(body) {
            Ok((ticket, [])) => ticket,
            _ => return Err(TicketError::Malformed),
        };
        let fine = |relay: &String| relay.len() <= RELAY_BYTES && !relay.contains(char::is_control);
        if !ticket.relay.as_ref().is_none_or(fine) {
            return Err(TicketError::Malformed);
        }
        match ticket.addresses.len() {
            0 if ticket.relay.is_some() => Ok(ticket),
            1..=ADDRESSES => Ok(ticket),
            other => Err(TicketError::Addresses(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> Ticket {
        let addresses = ["10.0.0.1:7771", "[fd00::1]:7771"].map(|a| a.parse().unwrap());
        Ticket::new(NodeId::from_bytes([7; 32]), addresses)
    }

    #[test]
    fn the_form_stays_the_same() {
        let text = "outlast1a4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqeaakaaaadwz4ah6qaaaaaaaaaaaaaaaaaaaaaaa5wpaaouriz7a";
        assert_eq!(ticket().to_string(), text);
    }

    #[test]
    fn every_cut_and_every_typo_is_noticed() {
        let text = ticket().to_string();
        for end in PREFIX.len()..text.len() {
            assert_eq!(text[..end].parse::<Ticket>(), Err(TicketError::Damaged), "{end}");
        }
        for place in PREFIX.len()..text.len() {
            let mut typo = text.clone().into_bytes();
            typo[place] = if typo[place] == b'a' { b'b' } else { b'a' };
            let typo = String::from_utf8(typo).unwrap();
            assert_eq!(typo.parse::<Ticket>(), Err(TicketError::Damaged), "{typo}");
        }
        assert_eq!("10.0.0.1:7771".parse::<Ticket>(), Err(TicketError::Prefix));
    }

    #[test]
    fn a_ticket_without_an_address_is_refused() {
        let text = Ticket::new(NodeId::from_bytes([7; 32]), []).to_string();
        assert_eq!(text.parse::<Ticket>(), Err(TicketError::Addresses(0)));
    }

    proptest! {
        #[test]
        fn text_and_back(node: [u8; 32], v4: Vec<([u8; 4], u16)>, v6: Vec<([u16; 8], u16)>) {
            let v4 = v4.into_iter().map(|(ip, port)| SocketAddr::from((ip, port)));
            let v6 = v6.into_iter().map(|(ip, port)| SocketAddr::from((ip, port)));
            let last = [SocketAddr::from(([127, 0, 0, 1], 1))];
            let ticket = Ticket::new(NodeId::from_bytes(node), v4.chain(v6).chain(last));
            let text = ticket.to_string();
            prop_assert_eq!(text.parse(), Ok(ticket.clone()));
            prop_assert_eq!(format!(" {}\n", text.to_uppercase()).parse(), Ok(ticket));
        }

        #[test]
        fn no_text_panics(text in "outlast1[a-z2-7]{0,200}") {
            let _ = text.parse::<Ticket>();
        }
    }
}
