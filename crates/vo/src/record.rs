//! What takes something back: expulsions, and claims of invitations that are for one node only.
//!
//! A VO's records are a set that only grows, so two members agree as soon as each has what the other has, in
//! whatever order it came. Each record is signed by a member with the right to it, whose chain comes along, and is checked on
//! arrival.
//!
//! **An expulsion** ends all certificates of the node that were issued before. It names the members that came by the
//! node, or by the invitation that it came by, and that stay; others that have it in their chain are out. So an expelled
//! node can't let itself in again by certificates that it issues in secret, whatever date it puts on them.
//!
//! **A claim** has the newcomer's proof, so nobody can make one without the ticket. If two members enrol
//! different nodes by the same invitation before they have heard of each other, the earlier claim (then: the
//! smaller node) is right and the other node is out. A claim may be forgotten once the invitation has
//! expired, unless there are two.
//!
//! **Limits.** A member that may manage and is expelled can't expel others any more where its own expulsion is known;
//! what it signed before counts. So who may manage can do harm until his expulsion has got around.

use std::collections::BTreeMap;

use outlast_types::{Hash, NodeId, VoId};
use serde::{Deserialize, Serialize};

use crate::credential::{Credential, is_over};
use crate::invitation::Proof;
use crate::refusal::Refusal;
use crate::signing::{Kind, Secret, Signature};
use crate::{InvitationId, Rights, WallTime};

/// Expulsions of one VO. As many as members are known.
pub const EXPULSIONS: usize = 1024;

/// Claims of one VO that are remembered: invitations for one use that were used and haven't expired.
pub const CLAIMS: usize = 3072;

/// Members that an expulsion names as staying.
pub const KEPT: usize = 256;

/// A record, encoded: a chain, and the members that stay.
pub const RECORD_BYTES: usize = 16 << 10;

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// A node is out.
    Expelled {
        /// Who.
        node: NodeId,
        /// The invitation that it came by, which nobody can use any more.
        invitation: Option<InvitationId>,
        /// Those that came by the node or the invitation before, and stay; at most [`KEPT`].
        keep: Vec<NodeId>,
    },
    /// A node used an invitation that was for one.
    Claimed {
        /// Which.
        invitation: InvitationId,
        /// Who.
        node: NodeId,
        /// That it had the secret, as shown to the signer.
        proof: Proof,
        /// When the invitation expires.
        expires: WallTime,
    },
}

impl Fact {
    fn needs(&self) -> Rights {
        match self {
            Self::Expelled { .. } => Rights::MANAGE,
            Self::Claimed { .. } => Rights::INVITE,
        }
    }
}

/// A fact, signed by a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The membership of who signed it.
    pub signer: Credential,
    /// When, by its clock.
    pub at: WallTime,
    /// What.
    pub fact: Fact,
    /// The signer's, over the VO and all this.
    pub signature: Signature,
}

impl Record {
    pub(crate) fn new(signer: Credential, holder: &Secret, at: WallTime, fact: Fact) -> Self {
        let signature = holder.sign(Kind::Record, &(signer.vo, at, &fact));
        Self { signer, at, fact, signature }
    }

    fn id(&self) -> Hash {
        let bytes = postcard::to_stdvec(self)
            .expect("a record is made of numbers, arrays, lists and texts, which postcard takes");
        Hash::of(&bytes)
    }

    /// Who signed it.
    fn by(&self) -> NodeId {
        self.signer.holder().unwrap_or(NodeId::from_bytes([0; 32]))
    }

    /// Checks signatures, rights and bounds, for all time.
    fn check(&self, vo: VoId) -> Result<(), Refusal> {
        let name = || self.signer.name.clone();
        if let Fact::Expelled { keep, .. } = &self.fact
            && keep.len() > KEPT
        {
            let what = "members that stay after an expulsion";
            return Err(Refusal::TooMany { what, found: keep.len(), limit: KEPT });
        }
        let last = self.signer.check()?;
        let fields = (self.signer.vo, self.at, &self.fact);
        if self.signer.vo != vo
            || !self.signature.verifies(last.subject.as_bytes(), Kind::Record, &fields)
        {
            return Err(Refusal::Forged { vo: name(), link: self.signer.chain.len() + 1 });
        }
        let (needed, held) = (self.fact.needs(), last.rights);
        // Expired members sign nothing any more; whether the date is true nobody can tell.
        if !held.contains(needed) || is_over(last.expires, self.at) {
            return Err(Refusal::MayNot { vo: name(), node: last.subject, held, needed });
        }
        if let Fact::Claimed { invitation, node, proof, .. } = &self.fact
            && !proof.verifies(*invitation, vo, *node, last.subject)
        {
            return Err(Refusal::NoProof { vo: name(), found: *node });
        }
        Ok(())
    }
}

/// An expulsion, looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expulsion<'a> {
    pub(crate) at: WallTime,
    pub(crate) by: NodeId,
    pub(crate) node: NodeId,
    keep: &'a [NodeId],
}

impl Expulsion<'_> {
    fn keeps(&self, node: NodeId) -> bool {
        self.keep.contains(&node)
    }
}

/// The records of one VO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records(BTreeMap<Hash, Record>);

impl Records {
    /// Those that were kept, unchecked: from this node's own disk.
    pub(crate) fn from_saved(records: Vec<Record>) -> Self {
        Self(records.into_iter().map(|record| (record.id(), record)).collect())
    }

    /// All of them, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.values()
    }

    /// Two sets with the same digest are the same.
    pub fn digest(&self) -> Hash {
        let mut ids = Vec::with_capacity(self.0.len() * 32);
        self.0.keys().for_each(|id| ids.extend_from_slice(id.as_bytes()));
        Hash::of(&ids)
    }

    /// Takes a record on. Whether it is new.
    ///
    /// # Errors
    /// If it isn't signed by a member with the right to it that is itself not expelled, or there is no room.
    pub(crate) fn add(&mut self, vo: VoId, record: Record) -> Result<bool, Refusal> {
        let id = record.id();
        if self.0.contains_key(&id) {
            return Ok(false);
        }
        record.check(vo)?;
        self.judge(&record.signer)?;
        let is_claim = |fact: &Fact| matches!(fact, Fact::Claimed { .. });
        let claim = is_claim(&record.fact);
        let (what, limit) =
            if claim { ("claims of a VO", CLAIMS) } else { ("expulsions of a VO", EXPULSIONS) };
        let found = self.iter().filter(|other| is_claim(&other.fact) == claim).count();
        if found >= limit {
            return Err(Refusal::TooMany { what, found: found + 1, limit });
        }
        self.0.insert(id, record);
        Ok(true)
    }

    /// Whether another claim fits.
    pub(crate) fn has_room_for_claim(&self) -> bool {
        self.claims().count() < CLAIMS
    }

    /// Forgets claims of invitations that have expired.
    pub(crate) fn prune(&mut self, now: WallTime) {
        let mut claims: BTreeMap<InvitationId, u32> = BTreeMap::new();
        for (invitation, ..) in self.claims() {
            *claims.entry(invitation).or_default() += 1;
        }
        self.0.retain(|_, record| match &record.fact {
            Fact::Claimed { invitation, expires, .. } => {
                claims[invitation] > 1 || !is_over(Some(*expires), now)
            }
            Fact::Expelled { .. } => true,
        });
    }

    fn claims(&self) -> impl Iterator<Item = (InvitationId, WallTime, NodeId)> {
        self.iter().filter_map(|record| match &record.fact {
            Fact::Claimed { invitation, node, .. } => Some((*invitation, record.at, *node)),
            Fact::Expelled { .. } => None,
        })
    }

    /// Who used an invitation that was for one: the first.
    pub(crate) fn claimed_by(&self, invitation: InvitationId) -> Option<NodeId> {
        let of_it = self.claims().filter(|(claimed, ..)| *claimed == invitation);
        of_it.map(|(_, at, node)| (at, node)).min().map(|(_, node)| node)
    }

    /// All expulsions.
    pub(crate) fn expulsions(&self) -> impl Iterator<Item = (Expulsion<'_>, Option<InvitationId>)> {
        self.iter().filter_map(|record| match &record.fact {
            Fact::Expelled { node, invitation, keep } => {
                let (node, at, by) = (*node, record.at, record.by());
                Some((Expulsion { at, by, node, keep }, *invitation))
            }
            Fact::Claimed { .. } => None,
        })
    }

    /// The last expulsion of a node.
    pub(crate) fn expelled(&self, node: NodeId) -> Option<Expulsion<'_>> {
        let of_it = self.expulsions().filter(|(expulsion, _)| expulsion.node == node);
        of_it.map(|(expulsion, _)| expulsion).max_by_key(|expulsion| expulsion.at)
    }

    /// When an invitation was withdrawn, for everybody but those who came by it before; of who was expelled itself
    /// other rules speak.
    pub(crate) fn withdrawn(&self, invitation: InvitationId, node: NodeId) -> Option<WallTime> {
        self.expulsions()
            .filter(|(expulsion, of)| {
                *of == Some(invitation) && expulsion.node != node && !expulsion.keeps(node)
            })
            .map(|(expulsion, _)| expulsion.at)
            .max()
    }

    /// Whether a credential that was checked is still good, as far as is known here.
    ///
    /// # Errors
    /// If its holder is expelled, came by somebody or by an invitation that is, or was second with an
    /// invitation for one.
    pub fn judge(&self, credential: &Credential) -> Result<(), Refusal> {
        let vo = || credential.name.clone();
        let chain = &credential.chain;
        for (index, certificate) in chain.iter().enumerate() {
            let node = certificate.subject;
            let ends = |expulsion: &Expulsion<'_>| {
                expulsion.node == node && certificate.issued <= expulsion.at
            };
            let ending = self.expulsions().map(|(expulsion, _)| expulsion).filter(ends);
            for Expulsion { at, by, keep, .. } in ending {
                match chain.get(index + 1) {
                    None => return Err(Refusal::Expelled { vo: vo(), node, at, by }),
                    Some(next) if !keep.contains(&next.subject) => {
                        return Err(Refusal::IssuerExpelled { vo: vo(), issuer: node, at });
                    }
                    Some(_) => {}
                }
            }
            let Some(invitation) = certificate.invitation else { continue };
            if let Some(at) = self.withdrawn(invitation, node) {
                return Err(Refusal::Withdrawn { vo: vo(), at });
            }
            if let Some(by) = self.claimed_by(invitation).filter(|by| *by != node) {
                return Err(Refusal::Taken { vo: vo(), by });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
