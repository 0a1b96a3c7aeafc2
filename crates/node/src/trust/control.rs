//! The control API's questions about trust.

use std::time::Duration;

use outlast_api::control::Answer;
use outlast_api::trust::{
    CreateVoRequest, ExpelRequest, Expelled, InviteRequest, Invited, JoinState, Joined,
    TrustControl, VoDetail, VoExpelled, VoInvitation, VoMember, VoRequest, VoSummary,
};
use outlast_api::types::NodeVo;
use outlast_api::{ApiError, ErrorCode};
use outlast_job::Input;
use outlast_overlay::Card;
use outlast_types::{NodeId, VoId};
use outlast_vo::{
    Fact, Keyring, KeyringError, Rights, Terms, Ticket, TicketNode, Uses, Vo, VoName, WallTime,
};

use super::{Joining, News, OWN, TrustError, fresh_secret, wall};
use crate::kernel::Event;
use crate::node::Node;
use crate::transport::Place;

/// How long an invitation may be used if nobody says otherwise.
const INVITATION: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long `join` waits for a member's answer; then it goes on trying, and says so.
const JOIN_WAIT: Duration = Duration::from_secs(20);

/// Digits of a key that mean something. Shorter ones would be guesses.
const PREFIX_DIGITS: usize = 4;

impl From<TrustError> for ApiError {
    fn from(error: TrustError) -> Self {
        let code = match &error {
            TrustError::Refused(_) | TrustError::Keyring(KeyringError::Refused(_)) => {
                ErrorCode::Forbidden
            }
            TrustError::Keyring(KeyringError::NoVo(_)) => ErrorCode::NotFound,
            TrustError::Keyring(KeyringError::AlreadyOut(_) | KeyringError::Exists(_)) => {
                ErrorCode::WrongState
            }
            TrustError::Keyring(KeyringError::Saved(_)) | TrustError::File(_) => {
                ErrorCode::Internal
            }
            TrustError::Keyring(_) => ErrorCode::BadRequest,
        };
        Self::new(code, error.to_string())
    }
}

fn names(rights: Rights) -> Vec<String> {
    rights.names().map(str::to_owned).collect()
}

fn has_prefix(key: &str, text: &str) -> bool {
    text.len() >= PREFIX_DIGITS && key.starts_with(&text.to_ascii_lowercase())
}

/// The VO that is meant, whatever this node may do in it: by its name or the beginning of its key, or the only one. This
/// node's own, in which it is alone, is meant only if there is no other one.
fn find<'a>(
    keyring: &'a Keyring,
    vo: Option<&str>,
    may: impl Fn(&Vo) -> bool,
) -> Result<(VoId, &'a Vo), ApiError> {
    let meant = |id: VoId, of: &Vo| match vo {
        Some(text) => of.name().as_str() == text || has_prefix(&id.to_string(), text),
        None => may(of),
    };
    let mut found: Vec<(VoId, &Vo)> = keyring.vos().filter(|(id, of)| meant(*id, of)).collect();
    let is_own = |vo: &Vo| vo.is_private() && vo.name().as_str().starts_with(OWN);
    if vo.is_none() && found.iter().any(|(_, vo)| !is_own(vo)) {
        found.retain(|(_, vo)| !is_own(vo));
    }
    let list = |vos: &mut dyn Iterator<Item = (VoId, &Vo)>| {
        let names = vos.map(|(id, vo)| format!("`{}` ({})", vo.name(), id.short()));
        names.collect::<Vec<_>>().join(", ")
    };
    match (found.as_slice(), vo) {
        ([only], _) => Ok(*only),
        ([], Some(text)) => Err(ApiError::not_found(format!(
            "no virtual organisation `{text}`, this node belongs to {}: `outlast join` with a ticket adds one",
            list(&mut keyring.vos())
        ))),
        ([], None) => Err(ApiError::forbidden(
            "no virtual organisation in which this node may do that: ask a manager of one for an invitation with more rights",
        )),
        (several, _) => Err(ApiError::conflict(format!(
            "it may be any of {}: say which one with --vo",
            list(&mut several.iter().copied())
        ))),
    }
}

/// The VO that is meant, and in which this node has to have a right.
pub(crate) fn pick(keyring: &Keyring, vo: Option<&str>, needed: Rights) -> Result<VoId, ApiError> {
    let (me, now) = (keyring.me(), wall());
    let may = |vo: &Vo| vo.own(me, now).is_ok_and(|rights| rights.contains(needed));
    let (id, of) = find(keyring, vo, may)?;
    let held = of.own(me, now).map_err(|refusal| ApiError::forbidden(refusal.to_string()))?;
    if !held.contains(needed) {
        let message = format!(
            "this node may not {needed} in `{}`, its rights there are {held}: ask one of its managers for an invitation with more",
            of.name()
        );
        return Err(ApiError::forbidden(message));
    }
    Ok(id)
}

/// A VO in a few words.
fn summary(keyring: &Keyring, id: VoId, vo: &Vo) -> VoSummary {
    let (me, now) = (keyring.me(), wall());
    let own = vo.own(me, now);
    let there = |node: &NodeId| keyring.standing(now, *node).common.contains(&id);
    VoSummary {
        id: id.to_string(),
        name: vo.name().to_string(),
        rights: names(vo.credential.rights()),
        expires: vo.credential.expires().map(WallTime::as_secs),
        members: vo.members.keys().filter(|node| there(node)).count() as u32,
        private: vo.is_private(),
        trouble: own.err().map(|refusal| refusal.to_string()),
    }
}

/// All VOs, in a few words each.
pub(crate) fn summaries(keyring: &Keyring) -> Vec<VoSummary> {
    keyring.vos().map(|(id, vo)| summary(keyring, id, vo)).collect()
}

/// The VOs that a node shares with this one; for this one: all of which it is a member.
pub(crate) fn shared_with(keyring: &Keyring, node: NodeId) -> Vec<NodeVo> {
    let (me, now) = (keyring.me(), wall());
    let common = keyring.standing(now, node).common;
    keyring
        .vos()
        .filter(|(id, vo)| if node == me { vo.own(me, now).is_ok() } else { common.contains(id) })
        .map(|(id, vo)| NodeVo {
            name: vo.name().to_string(),
            id: id.to_string(),
            rights: names(vo.rights_of(me, node, now)),
        })
        .collect()
}

fn member(vo: &Vo, me: NodeId, node: NodeId, named: &impl Fn(NodeId) -> String) -> VoMember {
    let credential = if node == me { &vo.credential } else { &vo.members[&node] };
    let trouble = vo.trouble(me, node, wall());
    let issuer = credential.chain.len().checked_sub(2).map(|index| credential.chain[index].subject);
    VoMember {
        node: node.to_string(),
        name: named(node),
        myself: node == me,
        rights: names(credential.rights()),
        expires: credential.expires().map(WallTime::as_secs),
        enrolled_by: issuer.map_or_else(|| credential.vo.to_string(), |issuer| issuer.to_string()),
        trouble: trouble.map(|refusal| refusal.to_string()),
    }
}

fn detail(keyring: &Keyring, id: VoId, vo: &Vo, named: impl Fn(NodeId) -> String) -> VoDetail {
    let (me, now) = (keyring.me(), wall());
    let members = std::iter::once(me).chain(vo.members.keys().copied());
    let expelled = vo.records.iter().filter_map(|record| match &record.fact {
        Fact::Expelled { node, .. } => Some(VoExpelled {
            node: node.to_string(),
            at: record.at.as_secs(),
            by: record.signer.holder().map(|by| by.to_string()).unwrap_or_default(),
        }),
        Fact::Claimed { .. } => None,
    });
    let open = vo.invitations.iter().filter(|(id, _)| vo.is_open(**id, now));
    VoDetail {
        summary: summary(keyring, id, vo),
        members: members.map(|node| member(vo, me, node, &named)).collect(),
        expelled: expelled.collect(),
        invitations: open
            .map(|(id, terms)| VoInvitation {
                id: id.to_string(),
                rights: names(terms.rights),
                expires: terms.expires.as_secs(),
                reusable: terms.uses == Uses::Many,
                only_for: terms.only_for.map(|node| node.to_string()),
            })
            .collect(),
    }
}

/// What an invitation is to promise.
fn terms(keyring: &Keyring, request: &InviteRequest) -> Result<Terms, ApiError> {
    let rights = match request.rights.as_slice() {
        [] => Rights::SUBMIT | Rights::EXECUTE,
        some => some.join(",").parse().map_err(bad_request)?,
    };
    let only_for = request.only_for.as_deref().map(|text| node_of(keyring, text)).transpose()?;
    if request.reusable && only_for.is_some() {
        let message = "an invitation for one node can't be reusable: leave out one of the two";
        return Err(ApiError::bad_request(message));
    }
    let made = wall();
    let expires = made.plus(request.expires_in_s.map_or(INVITATION, Duration::from_secs));
    let uses = if request.reusable { Uses::Many } else { Uses::Once };
    let member_for_s = request.member_for_s;
    Ok(Terms { rights, made, expires, uses, member_for_s, only_for })
}

fn bad_request(error: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(error.to_string())
}

/// A node by its whole key, or the beginning of one that was met.
fn node_of(keyring: &Keyring, text: &str) -> Result<NodeId, ApiError> {
    if let Ok(node) = text.parse() {
        return Ok(node);
    }
    let members = keyring.vos().flat_map(|(_, vo)| vo.members.keys().copied());
    let mut found: Vec<NodeId> =
        members.filter(|node| has_prefix(&node.to_string(), text)).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(ApiError::not_found(format!(
            "no node `{text}` was met: expected its key of 64 hexadecimal digits, as `outlast status` tells it there"
        ))),
        more => Err(ApiError::conflict(format!("`{text}` may mean any of {} nodes", more.len()))),
    }
}

impl Node {
    /// Names of nodes, as they say themselves.
    async fn node_names(&self) -> Result<Vec<(NodeId, String)>, ApiError> {
        self.ask(|peer, _| {
            let members = peer.membership().members();
            let others = members.map(|member| (member.card.node, member.ad.name.clone()));
            std::iter::once((peer.me(), peer.ad().name)).chain(others).collect()
        })
        .await
    }

    /// A change of the keyring, which waits for the disk. The kernel hears of it.
    async fn change_trust<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let shared = std::sync::Arc::clone(&self.shared);
        let changed = tokio::task::spawn_blocking(move || {
            let result =
                shared.trust.change(|state| Ok::<_, TrustError>(change(&mut state.keyring)))??;
            shared.trust.tell([News::Changed]);
            Ok(result)
        });
        let result = changed.await.map_err(|error| ApiError::internal(error.to_string()))?;
        self.shared.kernel.send(Event::Trust).await;
        result
    }

    /// The node that is meant: by its name among those that are known, or by its key.
    async fn node_named(&self, text: &str) -> Result<NodeId, ApiError> {
        let names = self.node_names().await?;
        let named: Vec<NodeId> =
            names.into_iter().filter(|(_, name)| name == text).map(|(node, _)| node).collect();
        match named.as_slice() {
            [only] => Ok(*only),
            [] => self.shared.trust.look(|keyring| node_of(keyring, text)),
            _ => Err(ApiError::conflict(format!(
                "several nodes say that they are called `{text}`: name it by its key, which `outlast nodes --json` tells"
            ))),
        }
    }

    /// Whom to put into a ticket, the first one first: this node.
    fn ticket_nodes(&self) -> Result<Vec<TicketNode>, ApiError> {
        let Place { addresses, relay } = self.shared.transport.place();
        if addresses.is_empty() && relay.is_none() {
            let message = "nobody can reach this node, it has no address: start a daemon with `outlast up` first";
            return Err(ApiError::new(ErrorCode::WrongState, message));
        }
        Ok(vec![TicketNode { node: self.shared.me, addresses, relay }])
    }

    /// Whether a change of memberships lets nodes in that turned this one away, or that it turned away.
    async fn knock_again(&self, ticket: &Ticket) {
        self.shared.transport.forget_refusals();
        let contacts = contacts_of(ticket, self.shared.me);
        self.shared.kernel.send(Event::Input(Input::Join(contacts))).await;
    }
}

/// Nodes of a ticket, to get in touch with.
pub(crate) fn contacts_of(ticket: &Ticket, me: NodeId) -> Vec<Card> {
    let others = ticket.nodes.iter().filter(|of| of.node != me);
    others
        .map(|of| {
            let TicketNode { node, addresses, relay } = of.clone();
            Card { node, addresses, relay, incarnation: 0 }
        })
        .collect()
}

impl TrustControl for Node {
    fn vos(&self) -> Answer<'_, Vec<VoSummary>> {
        Box::pin(async move { Ok(self.shared.trust.look(summaries)) })
    }

    fn vo(&self, request: VoRequest) -> Answer<'_, VoDetail> {
        Box::pin(async move {
            let names: std::collections::BTreeMap<NodeId, String> =
                self.node_names().await?.into_iter().collect();
            self.shared.trust.look(|keyring| {
                let (id, vo) = find(keyring, request.vo.as_deref(), |_| true)?;
                let named = |node| names.get(&node).cloned().unwrap_or_default();
                Ok(detail(keyring, id, vo, named))
            })
        })
    }

    fn create_vo(&self, request: CreateVoRequest) -> Answer<'_, VoSummary> {
        Box::pin(async move {
            let name: VoName = request.name.parse().map_err(bad_request)?;
            let root = fresh_secret().map_err(|error| ApiError::internal(error.to_string()))?;
            self.change_trust(move |keyring| {
                if keyring.vos().any(|(_, vo)| *vo.name() == name) {
                    let message = format!("this node is a member of a `{name}` already");
                    return Err(ApiError::conflict(message));
                }
                let id = keyring.create(wall(), name, root).map_err(TrustError::from)?;
                let vo = keyring.vo(id).ok_or_else(|| ApiError::not_found("no such VO"))?;
                Ok(summary(keyring, id, vo))
            })
            .await
        })
    }

    fn leave_vo(&self, request: VoRequest) -> Answer<'_, VoSummary> {
        Box::pin(async move {
            self.change_trust(move |keyring| {
                let (id, vo) = find(keyring, request.vo.as_deref(), |_| true)?;
                let left = summary(keyring, id, vo);
                keyring.leave(id).map_err(TrustError::from)?;
                Ok(left)
            })
            .await
        })
    }

    fn invite(&self, request: InviteRequest) -> Answer<'_, Invited> {
        Box::pin(async move {
            let nodes = self.ticket_nodes()?;
            let secret = fresh_secret().map_err(|error| ApiError::internal(error.to_string()))?;
            self.change_trust(move |keyring| {
                let id = pick(keyring, request.vo.as_deref(), Rights::INVITE)?;
                let terms = terms(keyring, &request)?;
                let invitation =
                    keyring.invite(wall(), id, terms, &secret).map_err(TrustError::from)?;
                let vo = invitation.inviter.name.to_string();
                let ticket = Ticket::new(invitation, secret, nodes).to_string();
                let (rights, expires) = (names(terms.rights), terms.expires.as_secs());
                Ok(Invited { ticket, vo, rights, expires, reusable: terms.uses == Uses::Many })
            })
            .await
        })
    }

    fn expel(&self, request: ExpelRequest) -> Answer<'_, Expelled> {
        Box::pin(async move {
            let node = self.node_named(&request.node).await?;
            let ExpelRequest { vo, with_invited, .. } = request;
            let shared = std::sync::Arc::clone(&self.shared);
            let (id, record, name) = self
                .change_trust(move |keyring| {
                    let id = match vo {
                        Some(vo) => pick(keyring, Some(&vo), Rights::MANAGE)?,
                        None => vo_of_member(keyring, node)?,
                    };
                    let record = keyring.expel(wall(), id, node, with_invited);
                    let record = record.map_err(TrustError::from)?;
                    let name = record.signer.name.to_string();
                    Ok((id, record, name))
                })
                .await?;
            let kept = match &record.fact {
                Fact::Expelled { keep, .. } => keep.iter().map(ToString::to_string).collect(),
                Fact::Claimed { .. } => Vec::new(),
            };
            let records = News::Records { vo: id, records: vec![record], from: None };
            shared.trust.tell([records]);
            shared.kernel.send(Event::Trust).await;
            Ok(Expelled { node: node.to_string(), vo: name, kept })
        })
    }

    fn join<'a>(&'a self, ticket: &'a str) -> Answer<'a, Joined> {
        Box::pin(async move {
            let ticket: Ticket = ticket.parse().map_err(bad_request)?;
            let (id, vo) = (ticket.vo(), ticket.invitation.inviter.name.to_string());
            let shared = std::sync::Arc::clone(&self.shared);
            let taken = ticket.clone();
            let needed = tokio::task::spawn_blocking(move || shared.trust.join(taken, false));
            let needed = needed.await.map_err(|error| ApiError::internal(error.to_string()))??;
            let mut joining = self.shared.trust.watch_joining();
            self.knock_again(&ticket).await;
            let joined = |state, trouble| Joined { vo, id: id.to_string(), state, trouble };
            if !needed {
                return Ok(joined(JoinState::Already, None));
            }
            let settled = joining.wait_for(|joining| {
                matches!(joining.get(&id), Some(Joining::Joined | Joining::Refused(_)))
            });
            let stands = match tokio::time::timeout(JOIN_WAIT, settled).await {
                Ok(Ok(joining)) => joining.get(&id).cloned(),
                _ => None,
            };
            let stands = stands.or_else(|| joining.borrow().get(&id).cloned());
            match stands {
                Some(Joining::Joined) => Ok(joined(JoinState::Joined, None)),
                Some(Joining::Refused(why)) => Err(ApiError::forbidden(why)),
                Some(Joining::Waiting(why)) => Ok(joined(JoinState::Waiting, why)),
                None => Ok(joined(JoinState::Waiting, None)),
            }
        })
    }
}

/// The VO that a node is to be expelled from if nobody says which: the one of which it is a member, here managed.
fn vo_of_member(keyring: &Keyring, node: NodeId) -> Result<VoId, ApiError> {
    let (me, now) = (keyring.me(), wall());
    let manages = |vo: &Vo| vo.own(me, now).is_ok_and(|rights| rights.contains(Rights::MANAGE));
    let known: Vec<(VoId, &Vo)> =
        keyring.vos().filter(|(_, vo)| vo.members.contains_key(&node)).collect();
    let mut of: Vec<(VoId, &Vo)> = known.iter().copied().filter(|(_, vo)| manages(vo)).collect();
    if of.len() > 1 {
        of.retain(|(_, vo)| !vo.rights_of(me, node, now).is_empty());
    }
    match (of.as_slice(), known.as_slice()) {
        ([(only, _)], _) => Ok(*only),
        ([], []) => pick(keyring, None, Rights::MANAGE),
        // Says what is missing.
        ([], [(id, _), ..]) => pick(keyring, Some(&id.to_string()), Rights::MANAGE),
        (several, _) => {
            let names = several.iter().map(|(_, vo)| format!("`{}`", vo.name()));
            let names = names.collect::<Vec<_>>().join(", ");
            Err(ApiError::conflict(format!(
                "node {} is a member of {names}: say which one with --vo",
                node.short()
            )))
        }
    }
}
