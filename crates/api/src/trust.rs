//! Virtual organisations over the control API: who is a member, who may do what, inviting and expelling.
//!
//! Rights are the names `submit`, `execute`, `invite`, `manage`. A VO is named by its name or the beginning of its
//! key; where it is absent the node takes the only one that is possible. Times are seconds since 1970.

mod client;
mod routes;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::Answer;

pub(crate) use routes::{Description, routes};

/// A VO of which the node is a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoSummary {
    /// Its key, 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What this node may do in it.
    pub rights: Vec<String>,
    /// When this node's membership ends; absent: never.
    pub expires: Option<u64>,
    /// Other members that this node has met and that still are.
    pub members: u32,
    /// Nobody but this node has ever been a member.
    pub private: bool,
    /// Why this node is no member any more, a sentence.
    pub trouble: Option<String>,
}

/// A member of a VO.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoMember {
    /// Its key.
    pub node: String,
    /// Its name, if it is known now; chosen by itself.
    pub name: String,
    /// It is the node that answers.
    pub myself: bool,
    /// What it may do.
    pub rights: Vec<String>,
    /// When its membership ends; absent: never.
    pub expires: Option<u64>,
    /// Who issued its certificate; the VO's key for who made it.
    pub enrolled_by: String,
    /// Why it is none any more, a sentence.
    pub trouble: Option<String>,
}

/// A node that was thrown out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoExpelled {
    /// Its key.
    pub node: String,
    /// When.
    pub at: u64,
    /// By whom: a node's key.
    pub by: String,
}

/// An invitation that was made at this node and can still be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoInvitation {
    /// Which one, for people.
    pub id: String,
    /// What it promises.
    pub rights: Vec<String>,
    /// Until when.
    pub expires: u64,
    /// Any number of nodes may use it.
    pub reusable: bool,
    /// The only node that may.
    pub only_for: Option<String>,
}

/// All about a VO, as far as this node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoDetail {
    /// In a few words.
    pub summary: VoSummary,
    /// This node first.
    pub members: Vec<VoMember>,
    /// Who was thrown out.
    pub expelled: Vec<VoExpelled>,
    /// Invitations made here.
    pub invitations: Vec<VoInvitation>,
}

/// Which VO.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoRequest {
    /// Its name, or the beginning of its key.
    pub vo: Option<String>,
}

/// A VO to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateVoRequest {
    /// Its name.
    pub name: String,
}

/// Whom to invite, and to what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InviteRequest {
    /// Into which VO.
    pub vo: Option<String>,
    /// What who comes may do; empty: submit and execute.
    pub rights: Vec<String>,
    /// How long the invitation may be used, in seconds; absent: seven days.
    pub expires_in_s: Option<u64>,
    /// By any number of nodes.
    pub reusable: bool,
    /// Only by this node: its key.
    pub only_for: Option<String>,
    /// How long the membership lasts, in seconds; absent: as long as the inviter's own.
    pub member_for_s: Option<u64>,
}

/// An invitation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invited {
    /// The line to hand on. Who has it can use it.
    pub ticket: String,
    /// The VO's name.
    pub vo: String,
    /// What is promised.
    pub rights: Vec<String>,
    /// Until when.
    pub expires: u64,
    /// Any number of nodes may use it.
    pub reusable: bool,
}

/// Whom to throw out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpelRequest {
    /// Its name, its key, or the beginning of it.
    pub node: String,
    /// Out of which VO.
    pub vo: Option<String>,
    /// Those that it let in, and those that came by the same invitation, have to go, too.
    pub with_invited: bool,
}

/// Who was thrown out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Expelled {
    /// Its key.
    pub node: String,
    /// The VO's name.
    pub vo: String,
    /// Keys of those that came by it or by its invitation, and stay.
    pub kept: Vec<String>,
}

/// How joining stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JoinState {
    /// The node is a member since just now.
    Joined,
    /// It was one before.
    Already,
    /// Nobody that could let it in has answered; it goes on trying.
    #[default]
    Waiting,
}

/// The answer to a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Joined {
    /// The VO's name.
    pub vo: String,
    /// Its key.
    pub id: String,
    /// How it stands.
    pub state: JoinState,
    /// What was said last by who couldn't let it in.
    pub trouble: Option<String>,
}

/// What a node can be asked about trust.
///
/// What a member may not do is [`Forbidden`](crate::ErrorCode::Forbidden); no such VO or member,
/// [`NotFound`](crate::ErrorCode::NotFound); if it may be any of several,
/// [`Conflict`](crate::ErrorCode::Conflict).
pub trait TrustControl {
    /// The VOs that it is a member of.
    fn vos(&self) -> Answer<'_, Vec<VoSummary>>;

    /// All about one.
    fn vo(&self, request: VoRequest) -> Answer<'_, VoDetail>;

    /// Makes one, with this node as its first member, with all rights.
    fn create_vo(&self, request: CreateVoRequest) -> Answer<'_, VoSummary>;

    /// Leaves one, and forgets its root key if it was made here.
    fn leave_vo(&self, request: VoRequest) -> Answer<'_, VoSummary>;

    /// Makes an invitation.
    fn invite(&self, request: InviteRequest) -> Answer<'_, Invited>;

    /// Throws a node out. Returns once that is safe from a restart; members that are there hear of it at once.
    fn expel(&self, request: ExpelRequest) -> Answer<'_, Expelled>;

    /// Joins with a ticket. Returns once this node is a member, or after a while. A ticket that is of no use
    /// is [`Forbidden`](crate::ErrorCode::Forbidden).
    fn join<'a>(&'a self, ticket: &'a str) -> Answer<'a, Joined>;
}
