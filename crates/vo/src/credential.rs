//! Certificates, and the chains that they make.
//!
//! Checking is in three steps, since each is needed alone: [`Credential::check`] (signatures and attenuation, for all
//! time), [`Credential::check_time`], and [`Records::judge`](crate::Records::judge) (what was taken back).

use outlast_types::{NodeId, VoId};
use serde::{Deserialize, Serialize};

use crate::refusal::Clocks;
use crate::signing::{Kind, Secret, Signature};
use crate::{CLOCK_TOLERANCE, InvitationId, Refusal, Rights, VoName, WallTime};

/// Certificates of a chain: who is invited by somebody who was invited … A chain of eight has room for
/// an organisation's levels, and is checked in a millisecond.
pub const CHAIN: usize = 8;

/// Says that a node is a member. Means nothing without the chain that leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Who holds it.
    pub subject: NodeId,
    /// What it may do.
    pub rights: Rights,
    /// When it was issued, by the issuer's clock. An expulsion ends those that were issued before it.
    pub issued: WallTime,
    /// When it ends.
    pub expires: Option<WallTime>,
    /// By which invitation the subject came.
    pub invitation: Option<InvitationId>,
    /// The issuer's, over all this, the VO, its name, and the certificate before.
    pub signature: Signature,
}

/// What a certificate says, without the issuer's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) subject: NodeId,
    pub(crate) rights: Rights,
    pub(crate) issued: WallTime,
    pub(crate) expires: Option<WallTime>,
    pub(crate) invitation: Option<InvitationId>,
}

/// A chain of certificates, from a VO's root to the holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The VO: the key that signed the first certificate.
    pub vo: VoId,
    /// Its name.
    pub name: VoName,
    /// From the root on; never empty in one that was checked.
    pub chain: Vec<Certificate>,
}

/// Whether something that ends then has ended. Nothing is older than the tolerance for clocks.
pub(crate) fn is_over(ends: Option<WallTime>, now: WallTime) -> bool {
    ends.is_some_and(|ends| now > ends.plus(CLOCK_TOLERANCE))
}

/// Whether something that ends then ends later than something else. Nothing ends later than what never ends.
fn outlives(ends: Option<WallTime>, than: Option<WallTime>) -> bool {
    than.is_some_and(|than| ends.is_none_or(|ends| ends > than))
}

/// The earlier end.
pub(crate) fn sooner(a: Option<WallTime>, b: Option<WallTime>) -> Option<WallTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Credential {
    /// A new VO, with its first member.
    pub(crate) fn found(root: &Secret, name: VoName, grant: Grant) -> Self {
        let vo = VoId::from_bytes(root.public());
        let mut credential = Self { vo, name, chain: Vec::new() };
        credential.append(root, grant);
        credential
    }

    /// This chain with one more certificate, signed by its holder. Whether that is allowed is what checking says.
    pub(crate) fn extend(&self, holder: &Secret, grant: Grant) -> Self {
        let mut credential = self.clone();
        credential.append(holder, grant);
        credential
    }

    fn append(&mut self, issuer: &Secret, grant: Grant) {
        let Grant { subject, rights, issued, expires, invitation } = grant;
        let before = self.chain.last().map(|certificate| certificate.signature);
        let signature = issuer.sign(Kind::Certificate, &self.fields(before, &grant));
        self.chain.push(Certificate { subject, rights, issued, expires, invitation, signature });
    }

    /// What a signature is over.
    fn fields(&self, before: Option<Signature>, grant: &Grant) -> impl Serialize + use<> {
        let Grant { subject, rights, issued, expires, invitation } = *grant;
        (self.vo, self.name.clone(), before, subject, rights, issued, expires, invitation)
    }

    /// The last certificate. A chain that was checked has one.
    pub fn last(&self) -> Option<&Certificate> {
        self.chain.last()
    }

    /// Who holds it.
    pub fn holder(&self) -> Option<NodeId> {
        self.last().map(|certificate| certificate.subject)
    }

    /// What the holder may do.
    pub fn rights(&self) -> Rights {
        self.last().map_or(Rights::NONE, |certificate| certificate.rights)
    }

    /// When the membership ends. No certificate of a chain outlives the one before it.
    pub fn expires(&self) -> Option<WallTime> {
        self.last().and_then(|certificate| certificate.expires)
    }

    /// Checks the chain: each certificate signed by the holder of the one before, the first by the root; rights and
    /// time never wider than the issuer's; issuers with the right to invite. Says nothing of what time it is.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<&Certificate, Refusal> {
        let vo = || self.name.clone();
        if self.chain.len() > CHAIN {
            return Err(Refusal::ChainLength { vo: vo(), found: self.chain.len() });
        }
        let mut before: Option<&Certificate> = None;
        for (index, certificate) in self.chain.iter().enumerate() {
            let key = before.map_or(self.vo.as_bytes(), |issuer| issuer.subject.as_bytes());
            let Certificate { subject, rights, issued, expires, invitation, signature } =
                *certificate;
            let grant = Grant { subject, rights, issued, expires, invitation };
            let fields = self.fields(before.map(|before| before.signature), &grant);
            if !signature.verifies(key, Kind::Certificate, &fields) {
                return Err(Refusal::Forged { vo: vo(), link: index + 1 });
            }
            if let Some(Certificate { subject: issuer, rights: held, expires: end, .. }) = before {
                if !held.contains(Rights::INVITE) {
                    return Err(Refusal::MayNotInvite { vo: vo(), issuer: *issuer });
                }
                if !held.contains(rights) {
                    let (issuer, held) = (*issuer, *held);
                    return Err(Refusal::Widened { vo: vo(), issuer, held, found: rights });
                }
                if outlives(expires, *end) {
                    return Err(Refusal::Outlives { vo: vo(), issuer: *issuer });
                }
            }
            before = Some(certificate);
        }
        before.ok_or_else(|| Refusal::ChainLength { vo: vo(), found: 0 })
    }

    /// Checks the time of a chain that was checked.
    ///
    /// # Errors
    /// If it has ended, or was issued in the future: else one could be issued that no expulsion ends.
    pub fn check_time(&self, clocks: Clocks) -> Result<(), Refusal> {
        let (vo, (_, now)) = (|| self.name.clone(), clocks.here);
        for Certificate { subject, issued, expires, .. } in &self.chain {
            if let Some(ended) = expires.filter(|_| is_over(*expires, now)) {
                return Err(Refusal::Expired {
                    vo: vo(),
                    node: *subject,
                    ended,
                    clocks: Box::new(clocks),
                });
            }
            if *issued > now.plus(CLOCK_TOLERANCE) {
                return Err(Refusal::NotYet {
                    vo: vo(),
                    issued: *issued,
                    clocks: Box::new(clocks),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
