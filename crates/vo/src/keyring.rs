//! All of a node's VOs as one machine, and what two nodes say to each other before anything else.
//!
//! ```text
//!   dialler                                       acceptor
//!   hello:  my memberships (and: I'd like to join) ──▶ admit: looks at them, issues a certificate
//!   confirm: looks at the answer, keeps the grant ◀── answer: its memberships in the same VOs, the grant
//!                                                   or a Refusal, as text
//! ```
//!
//! Then both know what the other may do ([`Keyring::standing`]), and exchange records where their digests differ
//! ([`Keyring::merge`]). What a call changed has to be on disk ([`Keyring::encode`]) before anybody hears of it:
//! [`Keyring::changes`] counts.
//!
//! **What is shown to whom.** A VO of which no other member is known is shown to nobody. To a node known as a
//! member of some of this node's VOs: those. To one that isn't known: all, since it may be a member. An acceptor shows
//! only VOs in which the dialler has just shown itself to be a member.

mod disk;
mod enrol;
mod greet;
mod records;

use std::collections::BTreeMap;
use std::time::Duration;

use outlast_types::{NodeId, VoId};

use crate::credential::{Credential, Grant, is_over};
use crate::refusal::Clocks;
use crate::{
    INVITATION_LIFE, Invitation, InvitationId, Records, Refusal, Rights, Secret, Terms, Ticket,
    VoName, WallTime,
};

pub use disk::SAVED_BYTES;
pub use greet::{Admission, Confirmation, HELLO_BYTES};
pub use records::Merged;

/// How far two clocks may be apart unnoticed. What has ended is honoured for so long, and what is issued so far
/// in the future is believed. Machines without NTP drift a minute a month.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// VOs of one node. A hello with a chain of eight for each fits into [`HELLO_BYTES`].
pub const VOS: usize = 32;

/// Members of one VO that a node remembers. As many as it keeps in its table of nodes.
pub const MEMBERS: usize = outlast_types::limits::MEMBERS;

/// Invitations made here that are remembered, for `vo show`; the one that expires first is forgotten first. They
/// are good all the same.
const INVITATIONS: usize = 256;

/// Something that can't be done with the keyring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No such VO.
    #[error("this node is no member of a virtual organisation with the key {0}")]
    NoVo(VoId),
    /// One more doesn't fit.
    #[error(
        "this node belongs to {VOS} virtual organisations already: leave one (`outlast vo leave`)"
    )]
    Full,
    /// The root key made one before.
    #[error("this node is a member of `{0}` already")]
    Exists(VoName),
    /// A right is missing, or the membership has ended.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// An invitation to nothing.
    #[error("an invitation without any right, expected some of submit, execute, invite, manage")]
    NoRights,
    /// An invitation for too short or too long.
    #[error("an invitation may be open for one second to {} days", INVITATION_LIFE.as_secs() / 86_400)]
    Life,
    /// Somebody wants to throw itself out.
    #[error("a node can't expel itself: to leave, use `outlast vo leave`")]
    Myself,
    /// Nobody is thrown out twice.
    #[error("node {} is expelled already", .0.short())]
    AlreadyOut(NodeId),
    /// No more records fit.
    #[error(transparent)]
    Saved(#[from] outlast_types::wire::FrameError),
    /// Somebody else's data.
    #[error("the memberships kept on disk belong to node {}, expected node {}: its key was replaced", found.short(), expected.short())]
    OtherNode {
        /// Whose they are.
        found: NodeId,
        /// Whose they should be.
        expected: NodeId,
    },
}

/// One VO, as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vo {
    /// This node's own membership.
    pub credential: Credential,
    /// The root's secret, where the VO was made here.
    pub root: Option<Secret>,
    /// The other members that were met, with what they showed last; expelled and expired ones included.
    pub members: BTreeMap<NodeId, Credential>,
    /// What was taken back.
    pub records: Records,
    /// Invitations made here.
    pub invitations: BTreeMap<InvitationId, Terms>,
}

impl Vo {
    fn new(credential: Credential, root: Option<Secret>) -> Self {
        let (members, records, invitations) = Default::default();
        Self { credential, root, members, records, invitations }
    }

    /// Its name.
    pub fn name(&self) -> &VoName {
        &self.credential.name
    }

    /// This node's rights in it, as long as it is a member.
    ///
    /// # Errors
    /// If the membership has ended, or was taken back.
    pub fn own(&self, me: NodeId, now: WallTime) -> Result<Rights, Refusal> {
        let clocks = Clocks { here: (me, now), there: (me, now) };
        self.look(&self.credential, clocks)
    }

    /// Whether a membership that was checked is good now.
    fn look(&self, credential: &Credential, clocks: Clocks) -> Result<Rights, Refusal> {
        // The stronger reason first: who was expelled isn't told to set its clock.
        self.records.judge(credential)?;
        credential.check_time(clocks)?;
        Ok(credential.rights())
    }

    /// A member's rights now: nothing for who isn't one.
    pub fn rights_of(&self, me: NodeId, node: NodeId, now: WallTime) -> Rights {
        self.look_at(me, node, now).unwrap_or(Rights::NONE)
    }

    /// Why a node is no member, or no member any more.
    pub fn trouble(&self, me: NodeId, node: NodeId, now: WallTime) -> Option<Refusal> {
        self.look_at(me, node, now).err()
    }

    fn look_at(&self, me: NodeId, node: NodeId, now: WallTime) -> Result<Rights, Refusal> {
        if node == me {
            return self.own(me, now);
        }
        let clocks = Clocks { here: (me, now), there: (node, now) };
        self.members.get(&node).map_or(Err(Refusal::Stranger), |member| self.look(member, clocks))
    }

    /// Whether it is this node's alone: made here, and nobody has ever come.
    pub fn is_private(&self) -> bool {
        self.members.is_empty() && self.credential.chain.len() == 1
    }
}

/// What two nodes may have done by each other. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// VOs in which both are members.
    pub common: Vec<VoId>,
    /// VOs in which the other one may submit and this one may execute.
    pub works_for: Vec<VoId>,
    /// VOs in which this one may submit and the other one may execute.
    pub serves: Vec<VoId>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Keyring {
    me: NodeId,
    key: Secret,
    vos: BTreeMap<VoId, Vo>,
    /// Tickets that are to be used at the next occasion.
    joining: BTreeMap<VoId, Ticket>,
    changes: u64,
}

impl Keyring {
    /// The keyring of a node that belongs to no VO yet. `key` is the node's own.
    pub fn new(key: Secret) -> Self {
        let me = NodeId::from_bytes(key.public());
        Self { me, key, vos: BTreeMap::new(), joining: BTreeMap::new(), changes: 0 }
    }

    /// This node.
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// Grows whenever something changed that has to be kept.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// All VOs, in the order of their keys.
    pub fn vos(&self) -> impl Iterator<Item = (VoId, &Vo)> {
        self.vos.iter().map(|(id, vo)| (*id, vo))
    }

    /// One of them.
    pub fn vo(&self, id: VoId) -> Option<&Vo> {
        self.vos.get(&id)
    }

    fn need(&self, id: VoId) -> Result<&Vo, KeyringError> {
        self.vos.get(&id).ok_or(KeyringError::NoVo(id))
    }

    /// Makes a VO with this root, and makes this node its first member, with all rights.
    ///
    /// # Errors
    /// If there are too many already, or this one is known.
    pub fn create(
        &mut self,
        now: WallTime,
        name: VoName,
        root: Secret,
    ) -> Result<VoId, KeyringError> {
        let vo = VoId::from_bytes(root.public());
        if let Some(known) = self.vos.get(&vo) {
            return Err(KeyringError::Exists(known.name().clone()));
        }
        if self.vos.len() >= VOS {
            return Err(KeyringError::Full);
        }
        let credential = Credential::found(&root, name, founder(self.me, now));
        self.vos.insert(vo, Vo::new(credential, Some(root)));
        self.changes += 1;
        Ok(vo)
    }

    /// Makes this node a member anew of the VOs whose root's secret it has, where its own certificate is still to come: it
    /// was made by a clock that was ahead, which has been set right. Nobody else could. How many there were.
    pub fn renew(&mut self, now: WallTime) -> usize {
        let (me, mut renewed) = (self.me, 0);
        for vo in self.vos.values_mut() {
            let early = matches!(vo.own(me, now), Err(Refusal::NotYet { .. }));
            let Some(root) = vo.root.as_ref().filter(|_| early) else { continue };
            vo.credential = Credential::found(root, vo.name().clone(), founder(me, now));
            renewed += 1;
        }
        self.changes += renewed as u64;
        renewed
    }

    /// Leaves a VO: forgets everything about it, its root's secret included.
    ///
    /// # Errors
    /// If this node is no member.
    pub fn leave(&mut self, vo: VoId) -> Result<(), KeyringError> {
        self.joining.remove(&vo);
        self.vos.remove(&vo).ok_or(KeyringError::NoVo(vo))?;
        self.changes += 1;
        Ok(())
    }

    /// Makes an invitation. `secret` is fresh, and goes into the ticket.
    ///
    /// # Errors
    /// If this node may not invite, or has less than it offers.
    pub fn invite(
        &mut self,
        now: WallTime,
        vo: VoId,
        terms: Terms,
        secret: &Secret,
    ) -> Result<Invitation, KeyringError> {
        let of = self.need(vo)?;
        let held = of.own(self.me, now)?;
        if terms.rights.is_empty() {
            return Err(KeyringError::NoRights);
        }
        let life = terms.expires.since(terms.made);
        if life.is_zero() || life > INVITATION_LIFE {
            return Err(KeyringError::Life);
        }
        let needed = terms.rights | Rights::INVITE;
        if !held.contains(needed) {
            let vo = of.name().clone();
            return Err(Refusal::MayNot { vo, node: self.me, held, needed }.into());
        }
        let id = InvitationId::of(secret);
        let invitation = Invitation::new(of.credential.clone(), &self.key, id, terms);
        if let Some(of) = self.vos.get_mut(&vo) {
            of.invitations.retain(|_, terms| !is_over(Some(terms.expires), now));
            if of.invitations.len() >= INVITATIONS {
                let first = of.invitations.iter().min_by_key(|(_, terms)| terms.expires);
                if let Some(first) = first.map(|(id, _)| *id) {
                    of.invitations.remove(&first);
                }
            }
            of.invitations.insert(id, terms);
        }
        self.changes += 1;
        Ok(invitation)
    }

    /// What this node and another one may do for each other, by what that one showed last. A connection proves that
    /// it is the one.
    pub fn standing(&self, now: WallTime, peer: NodeId) -> Standing {
        let mut standing = Standing::default();
        for (id, vo) in &self.vos {
            let Ok(mine) = vo.own(self.me, now) else { continue };
            let clocks = Clocks { here: (self.me, now), there: (peer, now) };
            let Some(member) = vo.members.get(&peer) else { continue };
            let Ok(theirs) = vo.look(member, clocks) else { continue };
            standing.common.push(*id);
            if theirs.contains(Rights::SUBMIT) && mine.contains(Rights::EXECUTE) {
                standing.works_for.push(*id);
            }
            if mine.contains(Rights::SUBMIT) && theirs.contains(Rights::EXECUTE) {
                standing.serves.push(*id);
            }
        }
        standing
    }

    /// Why a node that was a member of some VO has no standing any more.
    pub fn why_not(&self, now: WallTime, peer: NodeId) -> Refusal {
        let clocks = Clocks { here: (self.me, now), there: (peer, now) };
        let reasons = self.vos.values().filter_map(|vo| {
            let member = vo.members.get(&peer)?;
            vo.own(self.me, now).and_then(|_| vo.look(member, clocks)).err()
        });
        reasons.into_iter().next().unwrap_or(Refusal::Stranger)
    }

    /// When some membership ends, of this node or one that it knows, so that standings change. Tolerance
    /// included.
    pub fn next_end(&self, now: WallTime) -> Option<WallTime> {
        let all = self.vos.values().flat_map(|vo| vo.members.values().chain([&vo.credential]));
        let ends = all.filter_map(Credential::expires).map(|end| end.plus(CLOCK_TOLERANCE));
        ends.filter(|end| *end >= now).min()
    }
}

/// What a root grants the node that it was made at.
fn founder(me: NodeId, now: WallTime) -> Grant {
    Grant { subject: me, rights: Rights::ALL, issued: now, expires: None, invitation: None }
}

#[cfg(test)]
mod tests;
