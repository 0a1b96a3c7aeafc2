//! Hello, admit, confirm.

use std::time::Duration;

use outlast_types::{Hash, NodeId, VoId, wire};
use serde::{Deserialize, Serialize};

use super::{CLOCK_TOLERANCE, Keyring, MEMBERS, VOS, Vo};
use crate::refusal::{Clocks, Refusal};
use crate::{Credential, Invitation, Proof, WallTime};

/// A hello or an answer, encoded. 32 chains of eight certificates have 45 KiB.
pub const HELLO_BYTES: usize = 64 << 10;

/// One membership, shown to another node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) credential: Credential,
    /// Of the VO's records that the sender has.
    pub(super) digest: Hash,
}

/// A wish to become a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wish {
    pub(super) invitation: Invitation,
    pub(super) proof: Proof,
}

/// What a dialler shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The sender's clock.
    pub(super) now: WallTime,
    pub(super) shown: Vec<Shown>,
    /// At most one for each VO.
    pub(super) wishes: Vec<Wish>,
}

/// What an acceptor answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reply {
    /// The sender's clock.
    pub(super) now: WallTime,
    pub(super) shown: Vec<Shown>,
    /// Memberships that were wished for.
    pub(super) granted: Vec<Credential>,
    /// Why others weren't granted, to a node that is welcome all the same.
    pub(super) refused: Vec<(VoId, String)>,
}

/// A dialler is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// For the dialler.
    pub answer: Vec<u8>,
    /// VOs that it was enrolled in just now.
    pub enrolled: Vec<VoId>,
    /// How far its clock is from this one, if that is too far.
    pub skew: Option<Duration>,
}

/// An acceptor is one to speak with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// VOs of which that node has other records: exchange them.
    pub differ: Vec<VoId>,
    /// VOs that this node is a member of since just now.
    pub joined: Vec<VoId>,
    /// Why it isn't of others.
    pub refused: Vec<(VoId, String)>,
    /// How far its clock is from this one, if that is too far.
    pub skew: Option<Duration>,
}

fn skew(now: WallTime, said: WallTime) -> Option<Duration> {
    Some(now.apart(said)).filter(|apart| *apart > CLOCK_TOLERANCE)
}

impl Keyring {
    /// What this node shows one that it dials. At most [`HELLO_BYTES`].
    pub fn hello(&self, now: WallTime, peer: NodeId) -> Vec<u8> {
        let known = self.vos.values().any(|vo| vo.members.contains_key(&peer));
        let shown = self
            .vos
            .values()
            .filter(|vo| if known { vo.members.contains_key(&peer) } else { !vo.is_private() });
        let wishes = self.joining.values().filter(|ticket| ticket.names(peer)).map(|ticket| Wish {
            invitation: ticket.invitation.clone(),
            proof: Proof::new(&ticket.secret, ticket.vo(), self.me, peer),
        });
        let hello = Hello { now, shown: shown.map(show).collect(), wishes: wishes.collect() };
        encode(&hello)
    }

    /// Looks at what a dialler showed. What it changed has to be kept before the answer leaves.
    ///
    /// # Errors
    /// Why the dialler is turned away: it isn't a member of any VO of this node, nor becomes one.
    pub fn admit(
        &mut self,
        now: WallTime,
        peer: NodeId,
        hello: &[u8],
    ) -> Result<Admission, Refusal> {
        let hello: Hello = decode(hello)?;
        bound("memberships in a greeting", hello.shown.len(), VOS)?;
        bound("wishes to join", hello.wishes.len(), VOS)?;
        let clocks = Clocks { here: (self.me, now), there: (peer, hello.now) };
        let (mut common, mut reason) = self.meet(clocks, hello.shown);
        let (mut granted, mut refused, mut enrolled) = (Vec::new(), Vec::new(), Vec::new());
        for wish in hello.wishes {
            let vo = wish.invitation.inviter.vo;
            match self.enrol(clocks, wish) {
                Ok(credential) => {
                    granted.push(credential);
                    enrolled.push(vo);
                    if !common.iter().any(|(known, _)| *known == vo) {
                        common.push((vo, None));
                    }
                }
                Err(refusal) => {
                    refused.push((vo, refusal.to_string()));
                    reason = Some(refusal);
                }
            }
        }
        if common.is_empty() {
            return Err(reason.unwrap_or(Refusal::Stranger));
        }
        let shown = common.iter().filter_map(|(vo, _)| self.vos.get(vo)).map(show);
        let reply = Reply { now, shown: shown.collect(), granted, refused };
        Ok(Admission { answer: encode(&reply), enrolled, skew: skew(now, hello.now) })
    }

    /// Looks at what an acceptor answered.
    ///
    /// # Errors
    /// Why this node doesn't speak with it: it isn't a member of any VO of this node.
    pub fn confirm(
        &mut self,
        now: WallTime,
        peer: NodeId,
        answer: &[u8],
    ) -> Result<Confirmation, Refusal> {
        let reply: Reply = decode(answer)?;
        bound("memberships in an answer", reply.shown.len(), VOS)?;
        bound("grants", reply.granted.len(), VOS)?;
        bound("refusals", reply.refused.len(), VOS)?;
        let clocks = Clocks { here: (self.me, now), there: (peer, reply.now) };
        let joined = reply.granted.into_iter().map(|grant| self.accept(clocks, grant));
        let joined = joined.collect::<Result<Vec<_>, _>>()?;
        let (common, reason) = self.meet(clocks, reply.shown);
        if common.is_empty() {
            return Err(reason.unwrap_or(Refusal::Stranger));
        }
        let differs = |(vo, digest): (VoId, Option<Hash>)| {
            let own = self.vos.get(&vo)?.records.digest();
            (digest != Some(own)).then_some(vo)
        };
        let differ = common.into_iter().filter_map(differs).collect();
        let mut refused = reply.refused;
        refused.retain_mut(|(vo, why)| {
            why.retain(|c| !c.is_control());
            why.truncate(why.floor_char_boundary(crate::REFUSAL_BYTES));
            self.joining.contains_key(vo)
        });
        Ok(Confirmation { differ, joined, refused, skew: skew(now, reply.now) })
    }

    /// The VOs that a node has in common with this one, with the digest that it showed; or why there are none.
    /// Each VO counts once, so what is checked is bounded by this node's own.
    fn meet(
        &mut self,
        clocks: Clocks,
        shown: Vec<Shown>,
    ) -> (Vec<(VoId, Option<Hash>)>, Option<Refusal>) {
        let (mut common, mut reason) = (Vec::new(), None);
        let (me, now) = clocks.here;
        let mut seen = Vec::new();
        for Shown { credential, digest } in shown {
            let id = credential.vo;
            let Some(vo) = self.vos.get_mut(&id) else { continue };
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            // Who isn't a member itself can't judge who is; it may hear that from the other one.
            let result = vo.own(me, now).and_then(|_| vo.welcome(clocks, credential));
            match result {
                Ok(changed) => {
                    self.changes += u64::from(changed);
                    common.push((id, Some(digest)));
                }
                Err(refusal) => reason = reason.or(Some(refusal)),
            }
        }
        (common, reason)
    }
}

impl Vo {
    /// Looks at the membership that a node shows, and remembers it. Whether it is news.
    pub(super) fn welcome(
        &mut self,
        clocks: Clocks,
        credential: Credential,
    ) -> Result<bool, Refusal> {
        let (peer, _) = clocks.there;
        // What was checked before needs no check of its signatures; its time and standing do.
        let known = self.members.get(&peer) == Some(&credential);
        if !known {
            let holder = credential.check()?.subject;
            if holder != peer {
                let vo = credential.name;
                return Err(Refusal::Stolen { vo, holder, found: peer });
            }
        }
        self.look(&credential, clocks)?;
        if known {
            return Ok(false);
        }
        self.remember(clocks, peer, credential)?;
        Ok(true)
    }

    /// Keeps what a member showed. When all places are taken, those of former members are free.
    pub(super) fn remember(
        &mut self,
        clocks: Clocks,
        peer: NodeId,
        credential: Credential,
    ) -> Result<(), Refusal> {
        if self.members.len() >= MEMBERS && !self.members.contains_key(&peer) {
            let mut members = std::mem::take(&mut self.members);
            members.retain(|_, member| self.look(member, clocks).is_ok());
            self.members = members;
        }
        if self.members.len() >= MEMBERS && !self.members.contains_key(&peer) {
            let (what, limit) = ("members that one node remembers", MEMBERS);
            return Err(Refusal::TooMany { what, found: limit + 1, limit });
        }
        self.members.insert(peer, credential);
        Ok(())
    }
}

fn show(vo: &Vo) -> Shown {
    Shown { credential: vo.credential.clone(), digest: vo.records.digest() }
}

fn bound(what: &'static str, found: usize, limit: usize) -> Result<(), Refusal> {
    if found <= limit { Ok(()) } else { Err(Refusal::TooMany { what, found, limit }) }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    wire::encode(value, HELLO_BYTES)
        .expect("32 chains of eight certificates, and as many wishes, fit into a greeting")
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    wire::decode(bytes, HELLO_BYTES).map_err(|error| Refusal::Malformed(error.to_string()))
}
