//! Expelling, and exchanging records with other members.

use outlast_types::{NodeId, VoId};

use super::{Keyring, KeyringError};
use crate::{Credential, Fact, InvitationId, KEPT, Record, Refusal, Rights, WallTime};

/// What came of records from another member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Those that are new here: pass them on.
    pub added: Vec<Record>,
    /// Why others were refused; the first reason.
    pub refused: Option<Refusal>,
}

impl Keyring {
    /// Expels a node. Those that it let in, or that came by the same invitation, stay, unless they are to go `with` it;
    /// of them, only those known here and no more than [`KEPT`]. Returns the record, to be passed on.
    ///
    /// # Errors
    /// If this node may not, or that one is itself or out already.
    pub fn expel(
        &mut self,
        now: WallTime,
        vo: VoId,
        node: NodeId,
        with_invited: bool,
    ) -> Result<Record, KeyringError> {
        let of = self.need(vo)?;
        let held = of.own(self.me, now)?;
        if node == self.me {
            return Err(KeyringError::Myself);
        }
        if !held.contains(Rights::MANAGE) {
            let (vo, needed) = (of.name().clone(), Rights::MANAGE);
            return Err(Refusal::MayNot { vo, node: self.me, held, needed }.into());
        }
        let member = of.members.get(&node);
        let out = of.records.expelled(node).is_some()
            && member.is_none_or(|member| of.records.judge(member).is_err());
        // Once more only to have those out, too, that the first time left in.
        if out && !with_invited {
            return Err(KeyringError::AlreadyOut(node));
        }
        let last = member.and_then(Credential::last);
        let invitation = last.and_then(|certificate| certificate.invitation);
        let keep = if with_invited {
            Vec::new()
        } else {
            kept(of.members.values().chain([&of.credential]), node, invitation)
        };
        // A certificate from a clock that is a little ahead ends, too.
        let at = last.map_or(now, |certificate| certificate.issued.max(now));
        let fact = Fact::Expelled { node, invitation, keep };
        let record = Record::new(of.credential.clone(), &self.key, at, fact);
        self.add(vo, record.clone())?;
        Ok(record)
    }

    /// Takes on records that another member sent, the oldest first. What is new has to be kept, then passed on.
    pub fn merge(&mut self, now: WallTime, vo: VoId, mut records: Vec<Record>) -> Merged {
        let mut merged = Merged::default();
        let Some(of) = self.vos.get_mut(&vo) else { return merged };
        let before = of.records.iter().count();
        of.records.prune(now);
        self.changes += u64::from(of.records.iter().count() != before);
        records.sort_by_key(|record| record.at);
        for record in records {
            match self.add(vo, record.clone()) {
                Ok(true) => merged.added.push(record),
                Ok(false) => {}
                Err(refusal) => merged.refused = merged.refused.or(Some(refusal)),
            }
        }
        merged
    }

    fn add(&mut self, vo: VoId, record: Record) -> Result<bool, Refusal> {
        let Some(of) = self.vos.get_mut(&vo) else { return Err(Refusal::Stranger) };
        let added = of.records.add(vo, record)?;
        self.changes += u64::from(added);
        Ok(added)
    }
}

/// Whom an expulsion of `node` leaves in, though they came by it or by its invitation.
fn kept<'a>(
    members: impl Iterator<Item = &'a Credential>,
    node: NodeId,
    invitation: Option<InvitationId>,
) -> Vec<NodeId> {
    let mut keep = Vec::new();
    for member in members {
        let mut issuer = None;
        for certificate in &member.chain {
            let by_it = issuer == Some(node);
            let same = invitation.is_some() && certificate.invitation == invitation;
            if (by_it || same) && certificate.subject != node {
                keep.push(certificate.subject);
            }
            issuer = Some(certificate.subject);
        }
    }
    keep.sort_unstable();
    keep.dedup();
    keep.truncate(KEPT);
    keep
}
