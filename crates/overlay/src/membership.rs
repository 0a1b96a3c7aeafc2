//! The membership machine of one node: what it takes in, and what comes out.
//!
//! Greeting those who aren't members (yet, or any more) is in `greet`, what follows from messages in `hear`.

mod greet;
mod hear;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use outlast_types::{Ad, Hash, NodeId, Time, VoId};

use self::greet::Contact;
use crate::Settings;
use crate::member::{Card, Member, State};
use crate::message::{Echo, Introduction, Message, tidied};
use crate::settings::BRISK;

/// What the driver has to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a message; it may be lost.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Tell the transport where a node is: in place of what it knew.
    Learn {
        /// The node.
        node: NodeId,
        /// Empty only if there is a relay.
        addresses: Vec<SocketAddr>,
        /// The relay that it listens at.
        relay: Option<String>,
    },
    /// A node is there.
    Up {
        /// The node.
        node: NodeId,
    },
    /// A node is gone; what it had is gone with it.
    Down {
        /// The node.
        node: NodeId,
        /// It said goodbye.
        polite: bool,
    },
    /// A node that is up offers something else.
    AdChanged {
        /// The node.
        node: NodeId,
    },
}

/// What was dropped, for `outlast status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of a life that is over.
    pub stale: u64,
    /// Messages and cards that break a bound.
    pub malformed: u64,
    /// Strangers that were refused because the table was full.
    pub refused: u64,
    /// Cards that there was no room to try.
    pub cards_dropped: u64,
    /// Pulls that came too soon after another one.
    pub pulls_dropped: u64,
    /// Messages from nodes that are no members, which only a member may send.
    pub strangers: u64,
    /// Messages in this node's own name, or cards of a later life of it: somebody else has its key.
    pub impostors: u64,
}

/// What a node says of itself.
struct Own {
    card: Card,
    ad: Ad,
    /// Of the nodes that are up, itself included: the exclusive or of their tokens.
    digest: u64,
    /// Between two heartbeats, until `brisk_until` and afterwards.
    pace: (Duration, Duration),
    brisk_until: Time,
}

impl Own {
    fn introduction(&self) -> Introduction {
        let Card { addresses, relay, incarnation, .. } = self.card.clone();
        Introduction { addresses, relay, incarnation, ad: self.ad.clone() }
    }

    fn heartbeat(&self, now: Time, to: &Member, answer: bool) -> Message {
        Message::Heartbeat {
            incarnation: self.card.incarnation,
            ad: self.ad.clone(),
            digest: self.digest,
            stamp: now.as_micros(),
            echo: to.stamp.map(|(stamp, came)| Echo {
                stamp,
                held_us: u64::try_from(now.since(came).as_micros()).unwrap_or(u64::MAX),
            }),
            answer,
            next_ms: u32::try_from(self.pace(now).as_millis()).unwrap_or(u32::MAX),
        }
    }

    /// How long it is to the next heartbeat.
    fn pace(&self, now: Time) -> Duration {
        if now < self.brisk_until { self.pace.0 } else { self.pace.1 }
    }

    /// Somebody came or went.
    fn toggle(&mut self, node: &NodeId, now: Time) {
        self.digest ^= token(node);
        self.brisk_until = now + BRISK;
    }
}

/// A node's part of a digest. Hashed: keys can be chosen, and those in tests are small.
fn token(node: &NodeId) -> u64 {
    let hash = Hash::of(node.as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// See the [crate].
pub struct Membership {
    own: Own,
    settings: Settings,
    members: BTreeMap<NodeId, Member>,
    contacts: BTreeMap<NodeId, Contact>,
    /// Organisations that other nodes share with this one; bounded by the table of whoever says it.
    shared: BTreeMap<NodeId, Vec<VoId>>,
    left: bool,
    last_beat: Time,
    next_beat: Time,
    /// When the next tick is due; never later than `next_beat`.
    wake: Time,
    /// Greetings that may still be sent before `window_end`.
    greetings: usize,
    window_end: Time,
    next_pull: Time,
    /// Nobody counts as silent since before this: the silence was this node's own.
    forgiven: Time,
    counters: Counters,
}

impl Membership {
    /// A node that knows nobody. Of `me`'s addresses the first [`MAX_ADDRESSES`](crate::MAX_ADDRESSES) count.
    pub fn new(me: Card, ad: Ad, settings: Settings, now: Time) -> Self {
        let me = me.tidied();
        let settings = settings.sane();
        Self {
            own: Own {
                digest: token(&me.node),
                card: me,
                ad: tidied(ad),
                pace: (settings.heartbeat, settings.rest),
                brisk_until: now + BRISK,
            },
            settings,
            members: BTreeMap::new(),
            contacts: BTreeMap::new(),
            shared: BTreeMap::new(),
            left: false,
            last_beat: now,
            next_beat: now + settings.heartbeat,
            wake: now + settings.heartbeat,
            greetings: 0,
            window_end: now,
            next_pull: now,
            forgiven: Time::ZERO,
            counters: Counters::default(),
        }
    }

    /// Says what this node offers from now on. Goes out with the next heartbeat; at once if the node is
    /// leaving or its size changed; soon if it became free or busy.
    pub fn set_ad(&mut self, now: Time, ad: Ad, out: &mut Vec<Effect>) {
        if self.left || ad == self.own.ad {
            return;
        }
        let old = std::mem::replace(&mut self.own.ad, tidied(ad));
        let new = &self.own.ad;
        if (old.draining, old.slots) != (new.draining, new.slots) {
            self.beat(now, out);
        } else if (old.free == 0) != (new.free == 0) {
            // A node with short work becomes free and busy a thousand times a second.
            let soon = self.last_beat + self.settings.heartbeat / 2;
            if now >= soon {
                self.beat(now, out);
            } else {
                self.next_beat = self.next_beat.min(soon);
                self.wake = self.wake.min(soon);
            }
        }
    }

    /// There is work between this node and others, or news: for a while heartbeats are frequent.
    pub fn stir(&mut self, now: Time) {
        let rested = now >= self.own.brisk_until;
        self.own.brisk_until = now + BRISK;
        if rested && !self.left {
            // What the others were promised holds until they hear otherwise.
            self.next_beat = self.next_beat.min(now);
            self.wake = self.wake.min(now);
        }
    }

    /// Says how this node is reached from now on. Members are told at once, as others ask them.
    pub fn set_place(
        &mut self,
        addresses: Vec<SocketAddr>,
        relay: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        let card = Card { addresses, relay, ..self.own.card.clone() }.tidied();
        if self.left || card.same_place(&self.own.card) {
            return;
        }
        self.own.card = card;
        for (node, _) in self.members.iter().filter(|(_, member)| member.state.is_up()) {
            let message = Message::Hello { me: self.own.introduction(), cards: false };
            out.push(Effect::Send { to: *node, message });
        }
    }

    /// The transport says that the connection to a node is gone: it is probed. It is down only if it stays
    /// silent.
    pub fn on_connection_lost(&mut self, now: Time, node: NodeId, out: &mut Vec<Effect>) {
        if self.left {
            return;
        }
        let Some(member) = self.members.get_mut(&node) else { return };
        // Once: the transport may report each probe that it can't send.
        if member.state == State::Alive {
            member.turn(State::Suspect, now);
            out.push(Effect::Send { to: node, message: self.own.heartbeat(now, member, true) });
            let heard = member.last_heard.max(self.forgiven) + member.slack;
            self.wake = self.wake.min(heard + self.settings.lost_after);
        }
    }

    /// Says which organisations a node shares with this one; none: it is forgotten. Two others are
    /// told of each other only if they have one in common: who is in an organisation is its own business.
    pub fn set_shared(&mut self, node: NodeId, organisations: Vec<VoId>) {
        if organisations.is_empty() {
            self.shared.remove(&node);
        } else {
            self.shared.insert(node, organisations);
        }
    }

    /// Whether one node may hear of another one.
    fn may_know(&self, node: &NodeId, of: &NodeId) -> bool {
        let (Some(a), Some(b)) = (self.shared.get(node), self.shared.get(of)) else { return false };
        a.iter().any(|vo| b.contains(vo))
    }

    /// Forgets a node that is to be no member any more. If it introduces itself again it is a
    /// member again: to keep it out is the business of whoever lets nodes speak.
    pub fn expel(&mut self, now: Time, node: NodeId, out: &mut Vec<Effect>) {
        self.contacts.remove(&node);
        self.shared.remove(&node);
        let Some(member) = self.members.remove(&node) else { return };
        if member.state.is_up() {
            self.own.toggle(&node, now);
            out.push(Effect::Down { node, polite: false });
        }
    }

    /// Does what is due. Costs nothing before [`Self::next_tick`].
    pub fn on_tick(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.left || now < self.wake {
            return;
        }
        if now.since(self.wake) > self.settings.heartbeat {
            // This node slept, or its machine was too busy to run it. What the others said is still to be
            // read; they are suspects until then, and have the time that a suspect has.
            self.forgiven = now - self.settings.suspect_after;
        }
        self.check_silence(now, out);
        if now >= self.next_beat {
            self.beat(now, out);
        }
        self.forget(now);
        self.greet(now, out);
        self.wake = self.next_due();
    }

    /// When it wants [`Self::on_tick`]. Late ticks are forgiven, but what is said late is late.
    pub fn next_tick(&self) -> Time {
        if self.left { Time::FAR } else { self.wake }
    }

    /// Says goodbye to all. After it, this machine does nothing any more.
    pub fn leave(&mut self, _now: Time, out: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        let incarnation = self.own.card.incarnation;
        for (node, _) in self.members.iter().filter(|(_, member)| member.state.is_up()) {
            out.push(Effect::Send { to: *node, message: Message::Bye { incarnation } });
        }
    }

    /// All members by id, those that are down included; not this node.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// One of them.
    pub fn member(&self, node: &NodeId) -> Option<&Member> {
        self.members.get(node)
    }

    /// Whether a node is a member and heard. A suspect is not.
    pub fn is_alive(&self, node: &NodeId) -> bool {
        self.members.get(node).is_some_and(|member| member.state == State::Alive)
    }

    /// What was dropped.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Nodes to remember across a restart: those that are up, those that are lost, the last one first, and
    /// contacts that the user asked for and that haven't answered yet. Who said goodbye doesn't come.
    pub fn cards(&self) -> Vec<Card> {
        let mut members: Vec<&Member> =
            self.members.values().filter(|member| member.state != State::Left).collect();
        // Stable while nothing happens, so that it need not be written again.
        members.sort_by_key(|member| {
            let lost = (!member.state.is_up()).then_some(std::cmp::Reverse(member.since));
            (lost, member.card.node)
        });
        let waiting = self.contacts.values().filter(|contact| contact.is_wanted());
        members
            .into_iter()
            .map(|member| member.card.clone())
            .chain(waiting.map(|contact| contact.card.clone()))
            .collect()
    }

    /// Heartbeats to all that are up.
    fn beat(&mut self, now: Time, out: &mut Vec<Effect>) {
        for (node, member) in &self.members {
            if member.state.is_up() {
                let answer = member.state == State::Suspect;
                out.push(Effect::Send {
                    to: *node,
                    message: self.own.heartbeat(now, member, answer),
                });
            }
        }
        self.last_beat = now;
        self.next_beat = now + self.own.pace(now);
    }

    fn check_silence(&mut self, now: Time, out: &mut Vec<Effect>) {
        for (node, member) in &mut self.members {
            if !member.state.is_up() {
                continue;
            }
            let silence = now.since(member.last_heard.max(self.forgiven) + member.slack);
            if silence >= self.settings.lost_after {
                member.turn(State::Lost, now);
                member.backoff = self.settings.retry_first;
                member.probe_at = now + member.backoff;
                self.own.toggle(node, now);
                out.push(Effect::Down { node: *node, polite: false });
            } else if member.state == State::Alive && silence >= self.settings.suspect_after {
                member.turn(State::Suspect, now);
                out.push(Effect::Send {
                    to: *node,
                    message: self.own.heartbeat(now, member, true),
                });
            }
        }
    }

    /// Drops members that are down for long. Whom the user asked for is a contact again.
    fn forget(&mut self, now: Time) {
        let after = self.settings.forget_after;
        let old = self
            .members
            .extract_if(.., |_, member| !member.state.is_up() && now.since(member.since) >= after);
        for (node, member) in old {
            if member.wanted {
                self.contacts.insert(node, Contact::wanted(member.card, now));
            }
        }
    }

    fn next_due(&self) -> Time {
        let of_members = self.members.values().map(|member| self.due(member));
        let of_contacts =
            self.contacts.values().map(|contact| self.when_greeted(contact.next_try()));
        of_members.chain(of_contacts).fold(self.next_beat, Time::min)
    }

    /// When something is to be done about a member because of its silence.
    fn due(&self, member: &Member) -> Time {
        let heard = member.last_heard.max(self.forgiven) + member.slack;
        let forgotten = member.since + self.settings.forget_after;
        match member.state {
            State::Alive => heard + self.settings.suspect_after,
            State::Suspect => heard + self.settings.lost_after,
            State::Lost => self.when_greeted(member.probe_at).min(forgotten),
            State::Left => forgotten,
        }
    }

    /// The pause after the next try.
    fn longer(&self, backoff: Duration) -> Duration {
        (backoff * 2).clamp(self.settings.retry_first, self.settings.retry_max)
    }
}

#[cfg(test)]
mod tests;
