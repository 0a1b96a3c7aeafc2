//! Invitations: a member's signed promise that somebody may join.
//!
//! An invitation has a secret of its own, which travels in the ticket and nowhere else. Who has it proves so to the
//! member that enrols it by a signature over the VO and both nodes' keys; that one can't use the signature
//! anywhere else, nor join with it in another name.

use std::fmt;
use std::time::Duration;

use outlast_types::{NodeId, VoId};
use serde::{Deserialize, Serialize};

use crate::signing::{Kind, Secret, Signature};
use crate::{Credential, Refusal, Rights, WallTime};

/// The longest that an invitation may be open. Claims are remembered for as long.
pub const INVITATION_LIFE: Duration = Duration::from_secs(366 * 24 * 3600);

/// An invitation, known by the public key of its secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InvitationId([u8; 32]);

impl InvitationId {
    /// The invitation with this secret.
    pub fn of(secret: &Secret) -> Self {
        Self(secret.public())
    }

    /// Its public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for InvitationId {
    /// The first ten digits: nobody types one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0[..5]))
    }
}

impl fmt::Debug for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How many nodes may come by an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Uses {
    /// One.
    Once,
    /// Any number, until it expires.
    Many,
}

/// What is promised to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What the newcomer will be allowed.
    pub rights: Rights,
    /// When the invitation was made.
    pub made: WallTime,
    /// Until when it may be used.
    pub expires: WallTime,
    /// By how many.
    pub uses: Uses,
    /// How long the membership lasts, in seconds; without it: as long as that of the inviter and of who enrols.
    pub member_for_s: Option<u64>,
    /// The only node that may use it.
    pub only_for: Option<NodeId>,
}

/// A promise, signed by the member that gives it. Not secret: its secret is in the ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The membership of who gives it.
    pub inviter: Credential,
    /// Which one.
    pub id: InvitationId,
    /// What it promises.
    pub terms: Terms,
    /// The inviter's, over the VO and all this.
    pub signature: Signature,
}

impl Invitation {
    pub(crate) fn new(
        inviter: Credential,
        holder: &Secret,
        id: InvitationId,
        terms: Terms,
    ) -> Self {
        let signature = holder.sign(Kind::Invitation, &(inviter.vo, id, terms));
        Self { inviter, id, terms, signature }
    }

    /// Checks signatures and that the inviter had the right, for all time.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let vo = || self.inviter.name.clone();
        let last =
            self.inviter.check().map_err(|refusal| Refusal::InviterOut(Box::new(refusal)))?;
        let fields = (self.inviter.vo, self.id, self.terms);
        if !self.signature.verifies(last.subject.as_bytes(), Kind::Invitation, &fields) {
            return Err(Refusal::InvitationForged { vo: vo() });
        }
        let offered = self.terms.rights;
        if !last.rights.contains(offered | Rights::INVITE) {
            let (inviter, held) = (last.subject, last.rights);
            return Err(Refusal::InviterMayNot { vo: vo(), inviter, held, offered });
        }
        Ok(())
    }
}

/// That somebody has an invitation's secret, shown to the member that enrols it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof(Signature);

impl Proof {
    pub(crate) fn new(secret: &Secret, vo: VoId, newcomer: NodeId, enroller: NodeId) -> Self {
        Self(secret.sign(Kind::Proof, &(vo, newcomer, enroller)))
    }

    pub(crate) fn verifies(
        &self,
        id: InvitationId,
        vo: VoId,
        newcomer: NodeId,
        enroller: NodeId,
    ) -> bool {
        self.0.verifies(id.as_bytes(), Kind::Proof, &(vo, newcomer, enroller))
    }
}
