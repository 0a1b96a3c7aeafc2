//! Becoming a member: the wish, the certificate, and keeping it.

use std::time::Duration;

use outlast_types::VoId;

use super::greet::Wish;
use super::{Keyring, KeyringError, VOS, Vo};
use crate::credential::{CHAIN, Grant, is_over, sooner};
use crate::refusal::{Clocks, Refusal};
use crate::{
    CLOCK_TOLERANCE, Credential, Fact, INVITATION_LIFE, Invitation, Record, Rights, Ticket, Uses,
    WallTime,
};

/// Tickets that wait to be used. Each is part of a hello.
const JOINING: usize = 4;

impl Keyring {
    /// Takes a ticket, to be used when this node next speaks with one of those that it names. Whether it is needed:
    /// a member that has all its rights already asks for nothing.
    ///
    /// # Errors
    /// If it is for another node, or too many wait.
    pub fn join(&mut self, now: WallTime, ticket: Ticket) -> Result<bool, KeyringError> {
        let (id, terms) = (ticket.vo(), ticket.invitation.terms);
        if let Some(vo) = self.vos.get(&id)
            && vo.own(self.me, now).is_ok_and(|held| held.contains(terms.rights))
        {
            return Ok(false);
        }
        if let Some(invited) = terms.only_for.filter(|node| *node != self.me) {
            let vo = ticket.invitation.inviter.name;
            return Err(Refusal::InvitationForAnother { vo, invited, found: self.me }.into());
        }
        let known = self.vos.contains_key(&id) || self.joining.contains_key(&id);
        if !known && self.vos.len() + self.joining.len() >= VOS {
            return Err(KeyringError::Full);
        }
        if !self.joining.contains_key(&id) && self.joining.len() >= JOINING {
            let (what, limit) = ("tickets that wait to be used", JOINING);
            return Err(Refusal::TooMany { what, found: limit + 1, limit }.into());
        }
        self.joining.insert(id, ticket);
        self.changes += 1;
        Ok(true)
    }

    /// The tickets that wait to be used.
    pub fn joining(&self) -> impl Iterator<Item = &Ticket> {
        self.joining.values()
    }

    /// Forgets a ticket that waits.
    pub fn give_up(&mut self, vo: VoId) {
        self.changes += u64::from(self.joining.remove(&vo).is_some());
    }

    /// Issues a certificate to a node that shows an invitation, or says why not.
    pub(super) fn enrol(&mut self, clocks: Clocks, wish: Wish) -> Result<Credential, Refusal> {
        let ((me, now), (peer, _)) = (clocks.here, clocks.there);
        let Wish { invitation, proof } = wish;
        let id = invitation.inviter.vo;
        let Some(vo) = self.vos.get_mut(&id) else {
            return Err(Refusal::NoMemberHere { vo: invitation.inviter.name, id });
        };
        let held = vo.own(me, now).map_err(|refusal| Refusal::Lapsed(Box::new(refusal)))?;
        vo.examine(clocks, &invitation)?;
        let name = || vo.credential.name.clone();
        if !proof.verifies(invitation.id, id, peer, me) {
            return Err(Refusal::NoProof { vo: name(), found: peer });
        }
        let terms = invitation.terms;
        let needed = terms.rights | Rights::INVITE;
        if !held.contains(needed) {
            return Err(Refusal::CantGrant { vo: name(), held, needed });
        }
        if vo.credential.chain.len() >= CHAIN {
            return Err(Refusal::ChainFull { vo: name() });
        }
        let claimed = vo.records.claimed_by(invitation.id) == Some(peer);
        let claim = terms.uses == Uses::Once && !claimed;
        if claim && !vo.records.has_room_for_claim() {
            return Err(Refusal::ClaimsFull { vo: name() });
        }
        let lasts = terms.member_for_s.map(|secs| now.plus(Duration::from_secs(secs)));
        let ends = sooner(vo.credential.expires(), invitation.inviter.expires());
        // Later than the expulsion that it mends, if there was one.
        let expelled = vo.records.expelled(peer).map(|expulsion| expulsion.at);
        let issued = expelled.map_or(now, |at| now.max(at.plus(Duration::from_secs(1))));
        let grant = Grant {
            subject: peer,
            rights: terms.rights,
            issued,
            expires: sooner(lasts, ends),
            invitation: Some(invitation.id),
        };
        let credential = vo.credential.extend(&self.key, grant);
        vo.remember(clocks, peer, credential.clone())?;
        if claim {
            let (invitation, expires) = (invitation.id, terms.expires);
            let fact = Fact::Claimed { invitation, node: peer, proof, expires };
            let record = Record::new(vo.credential.clone(), &self.key, now, fact);
            vo.records.add(id, record)?;
        }
        self.changes += 1;
        Ok(credential)
    }

    /// Keeps a membership that was wished for.
    pub(super) fn accept(&mut self, clocks: Clocks, grant: Credential) -> Result<VoId, Refusal> {
        let (by, _) = clocks.there;
        let Some(ticket) = self.joining.get(&grant.vo) else {
            return Err(Refusal::WrongGrant { by });
        };
        let last = grant.check()?;
        let invitation = &ticket.invitation;
        if last.subject != self.me
            || last.rights != invitation.terms.rights
            || grant.name != invitation.inviter.name
        {
            return Err(Refusal::WrongGrant { by });
        }
        grant.check_time(clocks)?;
        let id = grant.vo;
        self.joining.remove(&id);
        match self.vos.get_mut(&id) {
            Some(vo) => vo.credential = grant,
            None => drop(self.vos.insert(id, Vo::new(grant, None))),
        }
        self.changes += 1;
        Ok(id)
    }
}

impl Vo {
    /// Whether an invitation may be used now by the node that shows it.
    fn examine(&self, clocks: Clocks, invitation: &Invitation) -> Result<(), Refusal> {
        let ((_, now), (peer, _)) = (clocks.here, clocks.there);
        let vo = || self.credential.name.clone();
        invitation.check()?;
        let terms = invitation.terms;
        let out = |refusal| Refusal::InviterOut(Box::new(refusal));
        self.look(&invitation.inviter, clocks).map_err(out)?;
        if is_over(Some(terms.expires), now) {
            let expired = terms.expires;
            return Err(Refusal::InvitationExpired { vo: vo(), expired, clocks: Box::new(clocks) });
        }
        let life = terms.expires.since(terms.made);
        if terms.made > now.plus(CLOCK_TOLERANCE) || life > INVITATION_LIFE {
            return Err(Refusal::InvitationNotYet {
                vo: vo(),
                made: terms.made,
                clocks: Box::new(clocks),
            });
        }
        if let Some(invited) = terms.only_for.filter(|node| *node != peer) {
            return Err(Refusal::InvitationForAnother { vo: vo(), invited, found: peer });
        }
        if let Some(out) = self.records.expelled(peer) {
            // Only on purpose, by somebody who could have expelled it.
            let mends = terms.only_for == Some(peer)
                && terms.made > out.at
                && invitation.inviter.rights().contains(Rights::MANAGE);
            if !mends {
                let (at, by) = (out.at, out.by);
                let expelled = Refusal::Expelled { vo: vo(), node: peer, at, by };
                return Err(Refusal::StillExpelled(Box::new(expelled)));
            }
        }
        if let Some(at) = self.records.withdrawn(invitation.id, peer) {
            return Err(Refusal::InvitationWithdrawn { vo: vo(), at });
        }
        let used = self.records.claimed_by(invitation.id).filter(|node| *node != peer);
        if let Some(by) = used.filter(|_| terms.uses == Uses::Once) {
            return Err(Refusal::InvitationUsed { vo: vo(), by });
        }
        Ok(())
    }

    /// For `vo show`: whether an invitation that was made here can still be used.
    pub fn is_open(&self, id: crate::InvitationId, now: WallTime) -> bool {
        self.invitations.get(&id).is_some_and(|terms| {
            !is_over(Some(terms.expires), now)
                && self.records.claimed_by(id).is_none()
                && self.records.expulsions().all(|(_, invitation)| invitation != Some(id))
        })
    }
}
