//! The membership machine of one node.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use outlast_types::{Ad, NodeId, Time, limits};

use crate::message::{Card, MAX_ADDRESSES, MAX_CARDS, Message};

/// A contact from a third party that doesn't answer so many greetings is dropped; one that the user named never is.
const HEARSAY_TRIES: u32 = 8;

/// The longest pause between two greetings to a node that doesn't answer.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// News of free slots is told at once, but not more often than this.
const NEWS_EVERY: Duration = Duration::from_millis(100);

/// Times of membership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Silence after which a member is probed: three heartbeats.
    pub suspect_after: Duration,
    /// Silence after which it is held lost: five heartbeats, so that two lost ones and a pause of the machine
    /// don't cost its work.
    pub lost_after: Duration,
    /// How long a lost member is remembered, and greeted now and then.
    pub forget_after: Duration,
    /// At most one pull from the same member in this time.
    pub pull_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(500),
            suspect_after: Duration::from_millis(1500),
            lost_after: Duration::from_millis(2500),
            forget_after: Duration::from_secs(3600),
            pull_every: Duration::from_secs(1),
        }
    }
}

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Heard of lately.
    Alive,
    /// Silent for a while; probed.
    Suspect,
    /// Silent for too long.
    Lost,
    /// Said goodbye.
    Left,
}

/// A node that spoke to this one.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Where it is.
    pub card: Card,
    /// What it offers.
    pub ad: Ad,
    /// How it is.
    pub state: State,
    /// When it last said anything.
    pub last_heard: Time,
    /// Since when it is in this state.
    pub since: Time,
    next_probe: Time,
    probes: u32,
    next_pull: Time,
}

/// A node that hasn't spoken yet.
#[derive(Clone, Debug)]
struct Contact {
    addresses: Vec<SocketAddr>,
    named_by_user: bool,
    tries: u32,
    next: Time,
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Say something, best effort.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Tell the transport where a node is.
    Learn {
        /// The node.
        node: NodeId,
        /// Its addresses.
        addresses: Vec<SocketAddr>,
    },
    /// A member came, or came back.
    Up {
        /// The member.
        node: NodeId,
    },
    /// A member is gone.
    Down {
        /// The member.
        node: NodeId,
        /// It said goodbye.
        polite: bool,
    },
    /// A member offers something else than before.
    AdChanged {
        /// The member.
        node: NodeId,
    },
}

/// What the machine counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that speak for somebody else, or of an earlier life.
    pub refused: u64,
    /// Nodes turned away because the table is full.
    pub full: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Membership {
    me: Card,
    ad: Ad,
    settings: Settings,
    members: BTreeMap<NodeId, Member>,
    contacts: BTreeMap<NodeId, Contact>,
    next_beat: Time,
    last_beat: Time,
    /// The ad has changed in a way that others should hear of before the next heartbeat.
    news: bool,
    gone: bool,
    counters: Counters,
}

impl Membership {
    /// A node that knows nobody.
    pub fn new(me: Card, ad: Ad, settings: Settings, now: Time) -> Self {
        Self {
            me,
            ad,
            settings,
            members: BTreeMap::new(),
            contacts: BTreeMap::new(),
            next_beat: now,
            last_beat: now,
            news: false,
            gone: false,
            counters: Counters::default(),
        }
    }

    /// Gets in touch with these, and keeps trying until each has answered.
    pub fn join(&mut self, now: Time, contacts: Vec<Card>, out: &mut Vec<Effect>) {
        for card in contacts {
            self.add_contact(now, card, true, out);
        }
        self.greet(now, out);
    }

    /// What this node offers now.
    pub fn set_ad(&mut self, now: Time, ad: Ad, out: &mut Vec<Effect>) {
        let telling = ad.draining != self.ad.draining
            || ad.slots != self.ad.slots
            || (ad.free == 0) != (self.ad.free == 0);
        self.ad = ad;
        self.news |= telling;
        if self.news && now.since(self.last_beat) >= NEWS_EVERY {
            self.beat(now, out);
        }
    }

    /// Hears a message; `from` is certain.
    pub fn on_message(
        &mut self,
        now: Time,
        from: NodeId,
        message: Message,
        out: &mut Vec<Effect>,
    ) {
        if from == self.me.node || self.gone {
            return;
        }
        match message {
            Message::Hello { card, ad } => {
                if self.meet(now, from, card, ad, out) {
                    let cards = self.page(0, from).0;
                    let (card, ad) = (self.me.clone(), self.ad.clone());
                    out.push(Effect::Send { to: from, message: Message::Welcome { card, ad, cards } });
                }
            }
            Message::Welcome { card, ad, cards } => {
                if self.meet(now, from, card, ad, out) {
                    self.hear_of(now, cards, out);
                }
            }
            Message::Heartbeat { incarnation, ad, digest } => {
                self.on_heartbeat(now, from, incarnation, ad, digest, out);
            }
            Message::Pull { page } => {
                if self.members.contains_key(&from) {
                    let (cards, next) = self.page(page, from);
                    out.push(Effect::Send { to: from, message: Message::Cards { cards, next } });
                }
            }
            Message::Cards { cards, next } => {
                if self.members.contains_key(&from) {
                    self.hear_of(now, cards, out);
                    if let Some(page) = next {
                        out.push(Effect::Send { to: from, message: Message::Pull { page } });
                    }
                }
            }
            Message::Bye => self.lose(now, from, State::Left, out),
        }
    }

    /// The transport lost its connection: the member is probed at once, and lost when it stays silent.
    pub fn on_connection_lost(&mut self, now: Time, node: NodeId, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&node) else { return };
        if member.state == State::Alive {
            member.state = State::Suspect;
            member.since = now;
            self.hello(node, out);
        }
    }

    /// Lets time pass.
    pub fn on_tick(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.gone {
            return;
        }
        let silent: Vec<(NodeId, Duration, State)> = self
            .members
            .iter()
            .map(|(node, member)| (*node, now.since(member.last_heard), member.state))
            .collect();
        for (node, silence, state) in silent {
            match state {
                State::Alive | State::Suspect if silence >= self.settings.lost_after => {
                    self.lose(now, node, State::Lost, out);
                }
                State::Alive if silence >= self.settings.suspect_after => {
                    self.on_connection_lost(now, node, out);
                }
                State::Lost | State::Left if silence >= self.settings.forget_after => {
                    self.members.remove(&node);
                }
                State::Lost => self.probe(now, node, out),
                _ => {}
            }
        }
        self.greet(now, out);
        let news = self.news && now.since(self.last_beat) >= NEWS_EVERY;
        if now >= self.next_beat || news {
            self.beat(now, out);
        }
    }

    /// When it wants the next tick.
    pub fn next_tick(&self) -> Time {
        if self.gone {
            return Time::FAR;
        }
        if self.news { self.next_beat.min(self.last_beat + NEWS_EVERY) } else { self.next_beat }
    }

    /// Says goodbye to all. After this the machine is deaf and mute.
    pub fn leave(&mut self, _: Time, out: &mut Vec<Effect>) {
        for (node, member) in &self.members {
            if matches!(member.state, State::Alive | State::Suspect) {
                out.push(Effect::Send { to: *node, message: Message::Bye });
            }
        }
        self.gone = true;
    }

    /// All that ever spoke to this node and aren't forgotten, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The member of this id.
    pub fn member(&self, node: &NodeId) -> Option<&Member> {
        self.members.get(node)
    }

    /// Whether a node is a member and alive.
    pub fn is_alive(&self, node: &NodeId) -> bool {
        self.members.get(node).is_some_and(|member| member.state == State::Alive)
    }

    /// Cards to remember across a restart: members that are or lately were alive.
    pub fn cards(&self) -> Vec<Card> {
        let there = |member: &&Member| member.state != State::Left;
        self.members.values().filter(there).map(|member| member.card.clone()).collect()
    }

    /// What it counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// A node speaks for itself. Says whether it is (now) a member.
    fn meet(
        &mut self,
        now: Time,
        from: NodeId,
        mut card: Card,
        ad: Ad,
        out: &mut Vec<Effect>,
    ) -> bool {
        if card.node != from {
            self.counters.refused += 1;
            return false;
        }
        card.addresses.truncate(MAX_ADDRESSES);
        let full = self.members.len() >= limits::MEMBERS;
        match self.members.get_mut(&from) {
            None if full => {
                self.counters.full += 1;
                return false;
            }
            None => {
                out.push(Effect::Learn { node: from, addresses: card.addresses.clone() });
                out.push(Effect::Up { node: from });
                let member = Member {
                    card,
                    ad,
                    state: State::Alive,
                    last_heard: now,
                    since: now,
                    next_probe: now,
                    probes: 0,
                    next_pull: now,
                };
                self.members.insert(from, member);
                self.contacts.remove(&from);
            }
            Some(member) if card.incarnation < member.card.incarnation => {
                self.counters.refused += 1;
                return false;
            }
            Some(member) => {
                if card.addresses != member.card.addresses {
                    out.push(Effect::Learn { node: from, addresses: card.addresses.clone() });
                }
                member.card.addresses = card.addresses;
                self.hear(now, from, card.incarnation, ad, out);
            }
        }
        true
    }

    /// A member speaks: it is alive, and perhaps a new life of itself.
    fn hear(&mut self, now: Time, from: NodeId, incarnation: u64, ad: Ad, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&from) else { return };
        member.last_heard = now;
        member.probes = 0;
        let was_up = matches!(member.state, State::Alive | State::Suspect);
        let restarted = incarnation > member.card.incarnation;
        member.card.incarnation = incarnation;
        if member.state != State::Alive {
            member.state = State::Alive;
            member.since = now;
        }
        if was_up && restarted {
            out.push(Effect::Down { node: from, polite: false });
        }
        if !was_up || restarted {
            member.ad = ad;
            out.push(Effect::Up { node: from });
        } else if member.ad != ad {
            member.ad = ad;
            out.push(Effect::AdChanged { node: from });
        }
    }

    fn on_heartbeat(
        &mut self,
        now: Time,
        from: NodeId,
        incarnation: u64,
        ad: Ad,
        digest: u64,
        out: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get(&from) else {
            // It knows this node, but not the other way round: after a restart, for instance.
            if self.members.len() < limits::MEMBERS {
                self.hello(from, out);
            } else {
                self.counters.full += 1;
            }
            return;
        };
        if incarnation < member.card.incarnation {
            self.counters.refused += 1;
            return;
        }
        self.hear(now, from, incarnation, ad, out);
        let mine = self.digest();
        let Some(member) = self.members.get_mut(&from) else { return };
        if digest != mine && now >= member.next_pull {
            member.next_pull = now + self.settings.pull_every;
            out.push(Effect::Send { to: from, message: Message::Pull { page: 0 } });
        }
    }

    /// A third party named nodes: unknown ones are greeted, nothing else of it is believed.
    fn hear_of(&mut self, now: Time, cards: Vec<Card>, out: &mut Vec<Effect>) {
        for card in cards.into_iter().take(MAX_CARDS) {
            self.add_contact(now, card, false, out);
        }
        self.greet(now, out);
    }

    fn add_contact(&mut self, now: Time, card: Card, named_by_user: bool, out: &mut Vec<Effect>) {
        let Card { node, mut addresses, .. } = card;
        let known = self.members.get(&node).is_some_and(|m| m.state != State::Left);
        if node == self.me.node || known || self.contacts.contains_key(&node) {
            return;
        }
        if self.contacts.len() + self.members.len() >= limits::MEMBERS && !named_by_user {
            self.counters.full += 1;
            return;
        }
        addresses.truncate(MAX_ADDRESSES);
        if !addresses.is_empty() {
            out.push(Effect::Learn { node, addresses: addresses.clone() });
        }
        self.contacts.insert(node, Contact { addresses, named_by_user, tries: 0, next: now });
    }

    /// Greets contacts that are due, and drops those of others that never answer.
    fn greet(&mut self, now: Time, out: &mut Vec<Effect>) {
        let due: Vec<NodeId> =
            self.contacts.iter().filter(|(_, c)| c.next <= now).map(|(node, _)| *node).collect();
        for node in due {
            let Some(contact) = self.contacts.get_mut(&node) else { continue };
            if !contact.named_by_user && contact.tries >= HEARSAY_TRIES {
                self.contacts.remove(&node);
                continue;
            }
            contact.next = now + backoff(self.settings.heartbeat, contact.tries);
            contact.tries += 1;
            // The transport may have forgotten an address that didn't answer.
            if contact.tries > 1 && !contact.addresses.is_empty() {
                let addresses = contact.addresses.clone();
                out.push(Effect::Learn { node, addresses });
            }
            self.hello(node, out);
        }
    }

    /// Greets a lost member now and then: a partition may have healed.
    fn probe(&mut self, now: Time, node: NodeId, out: &mut Vec<Effect>) {
        let heartbeat = self.settings.heartbeat;
        let Some(member) = self.members.get_mut(&node) else { return };
        if now < member.next_probe {
            return;
        }
        member.next_probe = now + backoff(heartbeat, member.probes);
        member.probes += 1;
        self.hello(node, out);
    }

    fn lose(&mut self, now: Time, node: NodeId, state: State, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&node) else { return };
        let was_up = matches!(member.state, State::Alive | State::Suspect);
        member.state = state;
        member.since = now;
        member.next_probe = now;
        if was_up {
            out.push(Effect::Down { node, polite: state == State::Left });
        }
    }

    fn hello(&self, to: NodeId, out: &mut Vec<Effect>) {
        let (card, ad) = (self.me.clone(), self.ad.clone());
        out.push(Effect::Send { to, message: Message::Hello { card, ad } });
    }

    fn beat(&mut self, now: Time, out: &mut Vec<Effect>) {
        self.last_beat = now;
        self.next_beat = now + self.settings.heartbeat;
        self.news = false;
        let digest = self.digest();
        for (node, member) in &self.members {
            if matches!(member.state, State::Alive | State::Suspect) {
                let incarnation = self.me.incarnation;
                let message = Message::Heartbeat { incarnation, ad: self.ad.clone(), digest };
                out.push(Effect::Send { to: *node, message });
            }
        }
    }

    /// Of the set of nodes held alive; the order doesn't matter. Not secret: a member that
    /// makes it collide only keeps this node from pulling what the member could lie about anyway.
    fn digest(&self) -> u64 {
        let alive = self
            .members
            .iter()
            .filter(|(_, m)| matches!(m.state, State::Alive | State::Suspect))
            .map(|(node, _)| node);
        alive.chain(std::iter::once(&self.me.node)).fold(0, |digest, node| digest ^ mix(node))
    }

    /// A page of the cards of members that are alive, without the asker's own.
    fn page(&self, page: u32, asker: NodeId) -> (Vec<Card>, Option<u32>) {
        let alive = |member: &&Member| {
            member.card.node != asker && matches!(member.state, State::Alive | State::Suspect)
        };
        let start = page as usize * MAX_CARDS;
        let mut rest = self.members.values().filter(alive).skip(start).peekable();
        let cards = rest.by_ref().take(MAX_CARDS).map(|member| member.card.clone()).collect();
        (cards, rest.peek().map(|_| page + 1))
    }
}

/// Doubles from the heartbeat up to [`MAX_BACKOFF`].
fn backoff(heartbeat: Duration, tries: u32) -> Duration {
    (heartbeat * (1 << tries.min(10))).min(MAX_BACKOFF)
}

/// Spreads a key over 64 bits (splitmix64's finaliser).
fn mix(node: &NodeId) -> u64 {
    let mut x = node.as_bytes().chunks(8).fold(0u64, |x, part| {
        let part = part.iter().fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
        x.rotate_left(21) ^ part
    });
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests;
