//! Why somebody is turned away, in words that help both ends.

use std::fmt;

use outlast_types::{NodeId, VoId};

use crate::{CLOCK_TOLERANCE, NameError, Rights, VoName, WallTime};

/// Bytes of a refusal's text: what the transport carries.
pub const REFUSAL_BYTES: usize = 512;

/// In front of a refusal that no other member would answer otherwise: the ticket is of no use to this node any more.
pub const TICKET_REFUSED: &str = "the ticket is refused: ";

/// In front of a refusal of one member that can't issue the certificate; another one may.
pub const ENROL_ELSEWHERE: &str = "this node can't enrol members: ";

/// Two clocks, for a refusal that hangs on the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// Who looks at the certificate.
    pub here: (NodeId, WallTime),
    /// Who showed it, and what its own clock said.
    pub there: (NodeId, WallTime),
}

impl fmt::Display for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((here, now), (there, said)) = (self.here, self.there);
        write!(f, "the clock of node {} says {now}", here.short())?;
        if now.apart(said) > CLOCK_TOLERANCE {
            let there = there.short();
            write!(f, ", that of node {there} {said}: set the one that is wrong")?;
        }
        Ok(())
    }
}

/// Somebody is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not what the protocol says.
    #[error("the greeting can't be read ({0}): both nodes should run the same version of outlast")]
    Malformed(String),
    /// Larger, or more, than anything honest.
    #[error("{what}: found {found}, expected at most {limit}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A stranger.
    #[error(
        "no virtual organisation in common: ask a member for an invitation (`outlast invite` there), and give it to `outlast up --join`"
    )]
    Stranger,
    /// A chain without a certificate, or too long.
    #[error("a chain of {found} certificates for `{vo}`, expected 1 to {limit}", limit = crate::CHAIN)]
    ChainLength {
        /// The VO.
        vo: VoName,
        /// Certificates found.
        found: usize,
    },
    /// Forged or damaged.
    #[error(
        "certificate {link} of the chain for `{vo}` isn't signed by who should have issued it: ask for a new invitation"
    )]
    Forged {
        /// The VO.
        vo: VoName,
        /// Which one, from the root, counted from 1.
        link: usize,
    },
    /// Its issuer had no right to invite.
    #[error("node {} issued a certificate for `{vo}` without the right to invite", issuer.short())]
    MayNotInvite {
        /// The VO.
        vo: VoName,
        /// Who did.
        issuer: NodeId,
    },
    /// More rights than the issuer's.
    #[error("node {} handed on {found} for `{vo}`, expected no more than its own {held}", issuer.short())]
    Widened {
        /// The VO.
        vo: VoName,
        /// Who did.
        issuer: NodeId,
        /// What it has.
        held: Rights,
        /// What it gave.
        found: Rights,
    },
    /// Longer than the issuer's own.
    #[error("node {} issued a certificate for `{vo}` that outlives its own", issuer.short())]
    Outlives {
        /// The VO.
        vo: VoName,
        /// Who did.
        issuer: NodeId,
    },
    /// A stolen certificate.
    #[error("the certificate for `{vo}` belongs to node {}, found node {}: it can't be moved; ask for an invitation", holder.short(), found.short())]
    Stolen {
        /// The VO.
        vo: VoName,
        /// Whose it is.
        holder: NodeId,
        /// Who showed it.
        found: NodeId,
    },
    /// Over.
    #[error("the membership of node {} in `{vo}` ended at {ended}; {clocks}; ask for a new invitation", node.short())]
    Expired {
        /// The VO.
        vo: VoName,
        /// Whose.
        node: NodeId,
        /// When.
        ended: WallTime,
        /// By whose clock.
        clocks: Box<Clocks>,
    },
    /// Issued in the future.
    #[error("a certificate for `{vo}` was issued at {issued}, which is still to come; {clocks}")]
    NotYet {
        /// The VO.
        vo: VoName,
        /// When.
        issued: WallTime,
        /// By whose clock.
        clocks: Box<Clocks>,
    },
    /// Thrown out.
    #[error("node {} was expelled from `{vo}` at {at} by node {}; only an invitation made for it (`outlast invite --for`) by who may manage `{vo}` lets it in again", node.short(), by.short())]
    Expelled {
        /// The VO.
        vo: VoName,
        /// Who.
        node: NodeId,
        /// When.
        at: WallTime,
        /// By whom.
        by: NodeId,
    },
    /// Came in by somebody who was thrown out.
    #[error("the certificate for `{vo}` comes from node {}, which was expelled at {at}: ask another member for an invitation", issuer.short())]
    IssuerExpelled {
        /// The VO.
        vo: VoName,
        /// Who was thrown out.
        issuer: NodeId,
        /// When.
        at: WallTime,
    },
    /// Came in by an invitation that somebody thrown out had, too.
    #[error(
        "the certificate for `{vo}` comes from an invitation that was withdrawn at {at}: ask for a new one"
    )]
    Withdrawn {
        /// The VO.
        vo: VoName,
        /// When.
        at: WallTime,
    },
    /// Two used an invitation that was for one.
    #[error("node {} was the first to use an invitation for `{vo}` that was good for one: ask for another one", by.short())]
    Taken {
        /// The VO.
        vo: VoName,
        /// Who was the first.
        by: NodeId,
    },
    /// An invitation for a VO of which the one asked is no member.
    #[error("{ENROL_ELSEWHERE}it is no member of `{vo}` ({}); use a ticket with another node's address", id.short())]
    NoMemberHere {
        /// The VO.
        vo: VoName,
        /// Its key.
        id: VoId,
    },
    /// The one asked may not invite, or has less to give.
    #[error(
        "{ENROL_ELSEWHERE}its own rights in `{vo}` are {held}, the invitation needs {needed}; ask the node that made it"
    )]
    CantGrant {
        /// The VO.
        vo: VoName,
        /// What it has.
        held: Rights,
        /// What it takes.
        needed: Rights,
    },
    /// The chain can't grow.
    #[error("{ENROL_ELSEWHERE}it is itself the {limit}th in a chain of invitations; ask somebody who is nearer to the root of `{vo}`", limit = crate::CHAIN)]
    ChainFull {
        /// The VO.
        vo: VoName,
    },
    /// The one asked lost its own membership.
    #[error("{ENROL_ELSEWHERE}{0}")]
    Lapsed(Box<Refusal>),
    /// The set of records is full.
    #[error(
        "{ENROL_ELSEWHERE}`{vo}` has too many open invitations for one use; wait until some have expired"
    )]
    ClaimsFull {
        /// The VO.
        vo: VoName,
    },
    /// Not signed by its inviter.
    #[error("{TICKET_REFUSED}the invitation to `{vo}` isn't signed by who should have made it")]
    InvitationForged {
        /// The VO.
        vo: VoName,
    },
    /// It promises what can't be promised.
    #[error("{TICKET_REFUSED}node {} may not promise {offered} in `{vo}`, its own rights are {held}", inviter.short())]
    InviterMayNot {
        /// The VO.
        vo: VoName,
        /// Who made it.
        inviter: NodeId,
        /// What it has.
        held: Rights,
        /// What it offered.
        offered: Rights,
    },
    /// Who made it isn't a member any more.
    #[error("{TICKET_REFUSED}who made it is no member any more: {0}")]
    InviterOut(Box<Refusal>),
    /// Its time is over.
    #[error(
        "{TICKET_REFUSED}the invitation to `{vo}` expired at {expired}; {clocks}; ask for a new one"
    )]
    InvitationExpired {
        /// The VO.
        vo: VoName,
        /// When.
        expired: WallTime,
        /// By whose clock.
        clocks: Box<Clocks>,
    },
    /// Made in the future, or for longer than allowed.
    #[error("{TICKET_REFUSED}the invitation to `{vo}` says that it was made at {made}; {clocks}")]
    InvitationNotYet {
        /// The VO.
        vo: VoName,
        /// When.
        made: WallTime,
        /// By whose clock.
        clocks: Box<Clocks>,
    },
    /// Somebody had it before.
    #[error("{TICKET_REFUSED}the invitation to `{vo}` was good for one node, and node {} has used it: ask for another one", by.short())]
    InvitationUsed {
        /// The VO.
        vo: VoName,
        /// Who had it.
        by: NodeId,
    },
    /// Somebody who had it was thrown out.
    #[error("{TICKET_REFUSED}the invitation to `{vo}` was withdrawn at {at}: ask for a new one")]
    InvitationWithdrawn {
        /// The VO.
        vo: VoName,
        /// When.
        at: WallTime,
    },
    /// For somebody else.
    #[error("{TICKET_REFUSED}the invitation to `{vo}` is for node {}, found node {}", invited.short(), found.short())]
    InvitationForAnother {
        /// The VO.
        vo: VoName,
        /// For whom.
        invited: NodeId,
        /// Who came.
        found: NodeId,
    },
    /// Who came doesn't have the ticket's secret.
    #[error("{TICKET_REFUSED}node {} didn't prove that it has the secret of the invitation to `{vo}`", found.short())]
    NoProof {
        /// The VO.
        vo: VoName,
        /// Who came.
        found: NodeId,
    },
    /// Thrown out, with an invitation that doesn't mend it.
    #[error("{TICKET_REFUSED}{0}")]
    StillExpelled(Box<Refusal>),
    /// Something that only who may manage can do, by somebody else.
    #[error("node {} may not do that in `{vo}`: it takes the right to {needed}, found {held}", node.short())]
    MayNot {
        /// The VO.
        vo: VoName,
        /// Who.
        node: NodeId,
        /// What it has.
        held: Rights,
        /// What it takes.
        needed: Rights,
    },
    /// The name of a VO can't be shown.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The grant isn't what was asked for.
    #[error("node {} granted something else than the ticket promised", by.short())]
    WrongGrant {
        /// Who did.
        by: NodeId,
    },
}

impl Refusal {
    /// Whether a text is a refusal that ends an attempt to join: no other member would answer otherwise.
    pub fn ends_joining(text: &str) -> bool {
        text.starts_with(TICKET_REFUSED)
    }
}
