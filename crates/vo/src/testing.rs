//! Nodes that meet, for tests.

use std::time::Duration;

use crate::*;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// When the tests begin.
pub(crate) fn noon() -> WallTime {
    WallTime::from_secs(1_795_262_400)
}

/// A secret that only this number has.
pub(crate) fn secret(number: u16) -> Secret {
    let mut seed = [0x5e; 32];
    seed[..2].copy_from_slice(&number.to_le_bytes());
    Secret::from_seed(&seed)
}

/// A node with a keyring and a clock of its own.
pub(crate) struct Machine {
    pub(crate) keys: Keyring,
    pub(crate) now: WallTime,
    fresh: u16,
}

/// How a connection came out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// Both speak with each other.
    Welcome(Box<Confirmation>),
    /// The acceptor turned the dialler away.
    Refused(Refusal),
    /// The dialler hung up.
    HungUp(Refusal),
}

impl Met {
    pub(crate) fn welcome(self) -> Confirmation {
        match self {
            Self::Welcome(confirmation) => *confirmation,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn refused(self) -> Refusal {
        match self {
            Self::Refused(refusal) => {
                assert!(refusal.to_string().len() <= REFUSAL_BYTES, "{refusal}");
                refusal
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Machine {
    pub(crate) fn new(number: u16) -> Self {
        Self { keys: Keyring::new(secret(number)), now: noon(), fresh: number * 100 }
    }

    /// With a VO of its own.
    pub(crate) fn founder(number: u16) -> (Self, VoId) {
        let mut machine = Self::new(number);
        let vo =
            machine.keys.create(noon(), "lab".parse().unwrap(), secret(number + 1000)).unwrap();
        (machine, vo)
    }

    pub(crate) fn id(&self) -> NodeId {
        self.keys.me()
    }

    /// For one node, a day, as worker.
    pub(crate) fn terms(&self, rights: Rights) -> Terms {
        Terms {
            rights,
            made: self.now,
            expires: self.now.plus(DAY),
            uses: Uses::Once,
            member_for_s: None,
            only_for: None,
        }
    }

    pub(crate) fn ticket(&mut self, vo: VoId, terms: Terms) -> Ticket {
        self.fresh += 1;
        let secret = secret(self.fresh);
        let invitation = self.keys.invite(self.now, vo, terms, &secret).unwrap();
        let addresses = vec!["10.0.0.1:7771".parse().unwrap()];
        let here = TicketNode { node: self.id(), addresses, relay: None };
        Ticket::new(invitation, secret, [here])
    }

    /// Dials.
    pub(crate) fn dial(&mut self, other: &mut Self) -> Met {
        let hello = self.keys.hello(self.now, other.id());
        self.dial_with(other, &hello)
    }

    pub(crate) fn dial_with(&mut self, other: &mut Self, hello: &[u8]) -> Met {
        match other.keys.admit(other.now, self.id(), hello) {
            Err(refusal) => Met::Refused(refusal),
            Ok(admission) => match self.keys.confirm(self.now, other.id(), &admission.answer) {
                Ok(confirmation) => Met::Welcome(Box::new(confirmation)),
                Err(refusal) => Met::HungUp(refusal),
            },
        }
    }

    /// Joins with a ticket, at a node.
    pub(crate) fn join(&mut self, ticket: &Ticket, at: &mut Self) -> Met {
        let mut ticket = ticket.clone();
        ticket.nodes[0].node = at.id();
        self.keys.join(self.now, ticket).unwrap();
        self.dial(at)
    }

    /// A new member that came by an invitation of this one.
    pub(crate) fn member(&mut self, number: u16, vo: VoId, rights: Rights) -> Self {
        let mut newcomer = Self::new(number);
        newcomer.now = self.now;
        let ticket = self.ticket(vo, self.terms(rights));
        let joined = newcomer.join(&ticket, self).welcome().joined;
        assert_eq!(joined, [vo]);
        newcomer
    }

    /// Gives all records of a VO to another one.
    pub(crate) fn tell(&self, vo: VoId, other: &mut Self) -> Merged {
        let records = self.keys.vo(vo).unwrap().records.iter().cloned().collect();
        other.keys.merge(other.now, vo, records)
    }
}
