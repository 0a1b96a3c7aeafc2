//! The kernel's part: standings for the peer, records to and from others, and who is disconnected.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outlast_job::{Effect, Input};
use outlast_overlay::State;
use outlast_types::{NodeId, Time, VoId};
use outlast_vo::{KeyringError, Record, Standing};
use tracing::{debug, info, warn};

use super::{News, Trust, wall, wire};
use crate::kernel::Loop;
use crate::transport::Tag;

/// How long the reason may take to a node that has to go. What it says meanwhile isn't heard any more.
const LAST_WORD: Duration = Duration::from_millis(200);

/// Standings that the kernel remembers: those of members, and of nodes that come and go.
const TRUSTED: usize = 4096;

/// What the peer was told of others' standings.
pub(crate) type Trusted = BTreeMap<NodeId, Standing>;

impl Loop {
    /// Takes what is new about trust. Comes before each frame, and costs nothing if there is nothing.
    pub(crate) fn heed_trust(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if !self.shared.trust.has_news() {
            return;
        }
        for news in self.shared.trust.take_news() {
            match news {
                News::Met(node) => self.look_at(now, node, effects),
                News::Differ { node, vo } => self.send_records(node, vo, None, true),
                News::Records { vo, records, from } => self.spread(vo, &records, from),
                News::Changed => {
                    let all: Vec<NodeId> = self.trusted.keys().copied().collect();
                    all.into_iter().for_each(|node| self.look_at(now, node, effects));
                }
            }
        }
        self.announce_vos();
    }

    /// By which VOs nodes of the LAN are to recognise this one: those that aren't this node's alone.
    fn announce_vos(&mut self) {
        let vos = self.shared.trust.public();
        if vos != self.announced {
            self.shared.transport.announce(vos.iter().map(Tag::of).collect());
            self.announced = vos;
        }
    }

    /// At the start. Who was expelled before this life counts as expelled in it.
    pub(crate) fn begin_trust(&mut self, now: Time, effects: &mut Vec<Effect>) {
        self.announce_vos();
        for node in self.shared.trust.expelled() {
            self.peer.handle(now, Input::Expelled(node), effects);
        }
    }

    /// Whether a node may say anything. One of which nothing is known yet is looked up.
    pub(crate) fn is_trusted(
        &mut self,
        now: Time,
        node: NodeId,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if node == self.shared.me {
            return true;
        }
        if !self.trusted.contains_key(&node) {
            self.look_at(now, node, effects);
        }
        self.trusted.contains_key(&node)
    }

    /// Tells the peer what a node may do; if that is nothing any more, the node has to go.
    fn look_at(&mut self, now: Time, node: NodeId, effects: &mut Vec<Effect>) {
        let standing = self.shared.trust.standing(node);
        if self.trusted.get(&node) == Some(&standing) {
            return;
        }
        let Standing { common, works_for, serves } = standing.clone();
        let shared = common.clone();
        let told = outlast_job::Standing { works_for, serves, shared };
        self.peer.handle(now, Input::Standing { node, standing: told }, effects);
        if !common.is_empty() {
            if self.trusted.len() >= TRUSTED {
                let members = self.peer.membership();
                self.trusted.retain(|node, _| members.member(node).is_some());
            }
            self.trusted.insert(node, standing);
            return;
        }
        if self.trusted.remove(&node).is_none() {
            return;
        }
        let why = self.shared.trust.why_not(node);
        warn!(node = %node.short(), "no member any more: {why}");
        self.peer.handle(now, Input::Expelled(node), effects);
        // So that it knows by itself, and doesn't go on knocking.
        for (vo, record) in self.shared.trust.expulsions_of(node) {
            self.send_records(node, vo, Some(vec![record]), false);
        }
        let transport = Arc::clone(&self.shared.transport);
        tokio::spawn(async move {
            tokio::time::sleep(LAST_WORD).await;
            transport.disconnect(node, &why);
        });
    }

    /// Sends records to a node: these, or all.
    fn send_records(&self, to: NodeId, vo: VoId, records: Option<Vec<Record>>, answer: bool) {
        let records = records.unwrap_or_else(|| self.shared.trust.records(vo));
        for frame in wire::frames(vo, records, answer) {
            self.shared.transport.send(to, Bytes::from(frame));
        }
    }

    /// Sends records to all members that are there, but for the one that they came from.
    fn spread(&self, vo: VoId, records: &[Record], from: Option<NodeId>) {
        let here = self
            .peer
            .membership()
            .members()
            .filter(|member| matches!(member.state, State::Alive | State::Suspect));
        for node in here.map(|member| member.card.node).filter(|node| Some(*node) != from) {
            if self.trusted.get(&node).is_some_and(|standing| standing.common.contains(&vo)) {
                self.send_records(node, vo, Some(records.to_vec()), false);
            }
        }
    }

    /// What another member says about trust.
    pub(crate) fn hear_trust(
        &mut self,
        now: Time,
        from: NodeId,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) {
        let said = match wire::decode(bytes) {
            Ok(said) => said,
            Err(error) => {
                self.shared.count("frames_refused");
                debug!(node = %from.short(), "records that can't be read: {error}");
                return;
            }
        };
        let wire::Said { vo, records, answer } = said;
        if !self.trusted.get(&from).is_some_and(|standing| standing.common.contains(&vo)) {
            self.shared.count("frames_refused");
            return;
        }
        if let Err(error) = self.shared.trust.merge(vo, records, from) {
            // Nothing is lost: it is said again at the next connection.
            warn!("records of other members can't be kept: {error}");
            return;
        }
        if answer {
            self.send_records(from, vo, None, false);
        }
        self.heed_trust(now, effects);
    }
}

impl Trust {
    /// All records of a VO.
    fn records(&self, vo: VoId) -> Vec<Record> {
        self.look(|keyring| {
            keyring.vo(vo).into_iter().flat_map(|vo| vo.records.iter().cloned()).collect()
        })
    }

    /// The records by which a node was expelled.
    fn expulsions_of(&self, node: NodeId) -> Vec<(VoId, Record)> {
        let of_it = |record: &&Record| matches!(&record.fact, outlast_vo::Fact::Expelled { node: out, .. } if *out == node);
        self.look(|keyring| {
            let vos = keyring.vos();
            vos.flat_map(|(id, vo)| vo.records.iter().filter(of_it).map(move |r| (id, r.clone())))
                .collect()
        })
    }

    /// VOs with other members, in which this node is one.
    fn public(&self) -> Vec<VoId> {
        self.look(|keyring| {
            let here = |vo: &outlast_vo::Vo| vo.own(keyring.me(), wall()).is_ok();
            let vos = keyring.vos().filter(|(_, vo)| !vo.is_private() && here(vo));
            vos.map(|(id, _)| id).collect()
        })
    }

    /// Nodes that were expelled from some VO and are members of none.
    fn expelled(&self) -> Vec<NodeId> {
        self.look(|keyring| {
            let facts = keyring.vos().flat_map(|(_, vo)| vo.records.iter());
            let expelled = facts.filter_map(|record| match &record.fact {
                outlast_vo::Fact::Expelled { node, .. } => Some(*node),
                outlast_vo::Fact::Claimed { .. } => None,
            });
            expelled.filter(|node| keyring.standing(wall(), *node).common.is_empty()).collect()
        })
    }

    /// Takes on another member's records.
    fn merge(&self, vo: VoId, records: Vec<Record>, from: NodeId) -> Result<(), super::TrustError> {
        let merged =
            self.change(|state| Ok::<_, KeyringError>(state.keyring.merge(wall(), vo, records)))?;
        if let Some(refusal) = merged.refused {
            debug!(node = %from.short(), "records were refused: {refusal}");
        }
        if !merged.added.is_empty() {
            let count = merged.added.len();
            info!(node = %from.short(), vo = %vo.short(), "{count} new records of expulsions or used invitations");
            let (records, from) = (merged.added, Some(from));
            self.tell([News::Records { vo, records, from }, News::Changed]);
        }
        Ok(())
    }
}
