//! Greeting nodes that aren't members: contacts, and members that were lost.

use std::time::Duration;

use outlast_types::{NodeId, Time, limits};

use super::{Effect, Membership};
use crate::member::{Card, State};
use crate::message::{MAX_CARDS, Message};

/// Contacts at a time. Several members may each tell of a whole grid that doesn't answer.
const MAX_CONTACTS: usize = 4 * limits::MEMBERS;

/// Contacts at a time that one member told of: a whole grid.
const MAX_INTRODUCED: usize = limits::MEMBERS;

/// Greetings of a node that a member told of and that doesn't answer. With the default pauses a
/// quarter of a minute.
const MAX_TRIES: u32 = 6;

/// Greetings within [`WINDOW`]. Each may open a connection: a thousand at a time keep a node from hearing those it
/// has.
const GREETINGS: usize = 64;

/// See [`GREETINGS`].
const WINDOW: Duration = Duration::from_millis(50);

/// A node that was heard of.
pub(super) struct Contact {
    pub(super) card: Card,
    /// The member that told of it; none if the user did.
    introducer: Option<NodeId>,
    next_try: Time,
    tries: u32,
    backoff: Duration,
}

impl Contact {
    pub(super) fn wanted(card: Card, now: Time) -> Self {
        Self { card, introducer: None, next_try: now, tries: 0, backoff: Duration::ZERO }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.introducer.is_none()
    }

    pub(super) fn next_try(&self) -> Time {
        self.next_try
    }
}

impl Membership {
    /// Greets nodes from tickets, or remembered ones, until each has answered once.
    pub fn join(&mut self, now: Time, contacts: Vec<Card>, out: &mut Vec<Effect>) {
        if self.left {
            return;
        }
        for card in contacts.into_iter().map(Card::tidied) {
            if card.node == self.own.card.node {
                continue;
            }
            if let Some(member) = self.members.get_mut(&card.node) {
                member.wanted = true;
                if !member.state.is_up() {
                    // What the user says is newer than what the node once said.
                    let incarnation = member.card.incarnation;
                    let old = std::mem::replace(&mut member.card, Card { incarnation, ..card });
                    member.card.add(&old);
                    learn(&member.card, out);
                    if member.state == State::Left {
                        member.turn(State::Lost, now);
                    }
                    member.probe_at = now;
                    member.backoff = Duration::ZERO;
                }
            } else if let Some(contact) = self.contacts.get_mut(&card.node) {
                contact.card.add(&card);
                contact.introducer = None;
                contact.next_try = now;
                contact.backoff = Duration::ZERO;
            } else if self.contacts.len() < MAX_CONTACTS {
                self.contacts.insert(card.node, Contact::wanted(card, now));
            } else {
                self.counters.cards_dropped += 1;
            }
        }
        self.greet(now, out);
        self.wake = self.wake.min(self.next_due());
    }

    /// Greets nodes that were found near by, as if one member had told of all of them: who doesn't answer is given up.
    pub fn found(&mut self, now: Time, cards: Vec<Card>, out: &mut Vec<Effect>) {
        if !self.left {
            self.on_cards(now, self.own.card.node, cards, out);
        }
    }

    /// Takes what a member says of others. Nothing of it is believed; it is a reason to ask them.
    pub(super) fn on_cards(
        &mut self,
        now: Time,
        from: NodeId,
        cards: Vec<Card>,
        out: &mut Vec<Effect>,
    ) {
        if cards.len() > MAX_CARDS {
            self.counters.malformed += 1;
            return;
        }
        if cards.is_empty() {
            return;
        }
        let introduced = |contact: &&_| Contact::introducer(contact) == Some(from);
        let mut budget =
            MAX_INTRODUCED.saturating_sub(self.contacts.values().filter(introduced).count());
        // Who would be refused isn't greeted: it would believe to have been let in.
        let up = self.members.values().filter(|member| member.state.is_up()).count();
        let room = up < limits::MEMBERS;
        for card in cards {
            if !card.is_valid() {
                self.counters.malformed += 1;
            } else if card.node == self.own.card.node {
                let later = card.incarnation > self.own.card.incarnation;
                self.counters.impostors += u64::from(later);
            } else if let Some(member) = self.members.get_mut(&card.node) {
                // Others hear it: it may be back. Who left, comes by itself if it returns.
                if member.state == State::Lost {
                    let later = card.incarnation > member.card.incarnation;
                    if later && member.card.add(&card) {
                        learn(&member.card, out);
                    }
                    member.probe_at = member.probe_at.min(now);
                }
            } else if let Some(contact) = self.contacts.get_mut(&card.node) {
                contact.card.add(&card);
            } else if budget > 0 && room && self.contacts.len() < MAX_CONTACTS {
                budget -= 1;
                let introducer = Some(from);
                self.contacts
                    .insert(card.node, Contact { introducer, ..Contact::wanted(card, now) });
            } else {
                self.counters.cards_dropped += 1;
            }
        }
        self.greet(now, out);
        self.wake = self.wake.min(self.next_due());
    }

    /// A node has no room for this one: ask again, but rarely.
    pub(super) fn on_full(&mut self, now: Time, from: NodeId) {
        if let Some(contact) = self.contacts.get_mut(&from) {
            contact.backoff = self.settings.retry_max;
            contact.next_try = now + contact.backoff;
        }
    }

    /// Greets those whose time has come, who waits longest first.
    pub(super) fn greet(&mut self, now: Time, out: &mut Vec<Effect>) {
        let lost = self.members.iter().filter(|(_, member)| member.state == State::Lost);
        let lost = lost.map(|(node, member)| (member.probe_at, *node));
        let contacts = self.contacts.iter().map(|(node, contact)| (contact.next_try, *node));
        let mut due: Vec<(Time, NodeId)> =
            lost.chain(contacts).filter(|(at, _)| *at <= now).collect();
        if due.is_empty() {
            return;
        }
        due.sort_unstable();
        if now >= self.window_end {
            self.greetings = GREETINGS;
            self.window_end = now + WINDOW;
        }
        for (_, node) in due {
            if self.greetings == 0 {
                break;
            }
            if self.greet_one(now, node, out) {
                self.greetings -= 1;
            }
        }
    }

    /// Says hello to one, and when to do so again. Gives it up if it was told of and never answers.
    fn greet_one(&mut self, now: Time, node: NodeId, out: &mut Vec<Effect>) -> bool {
        let backoff = match (self.members.get(&node), self.contacts.get(&node)) {
            (Some(member), _) => self.longer(member.backoff),
            (None, Some(contact)) => self.longer(contact.backoff),
            (None, None) => return false,
        };
        let mut cards = false;
        if let Some(member) = self.members.get_mut(&node) {
            member.backoff = backoff;
            member.probe_at = now + backoff;
        } else if let Some(contact) = self.contacts.get_mut(&node) {
            if !contact.is_wanted() && contact.tries == MAX_TRIES {
                self.contacts.remove(&node);
                return false;
            }
            // The user's contacts know the grid; who was told of is told of by one who knows it.
            cards = contact.is_wanted();
            contact.tries = contact.tries.saturating_add(1);
            contact.backoff = backoff;
            contact.next_try = now + backoff;
            learn(&contact.card, out);
        }
        let me = self.own.introduction();
        out.push(Effect::Send { to: node, message: Message::Hello { me, cards } });
        true
    }

    /// When a greeting that is due at `at` can be sent.
    pub(super) fn when_greeted(&self, at: Time) -> Time {
        if self.greetings == 0 { at.max(self.window_end) } else { at }
    }
}

impl Contact {
    fn introducer(&self) -> Option<NodeId> {
        self.introducer
    }
}

/// Tells the transport where a node is, if that is known.
pub(super) fn learn(card: &Card, out: &mut Vec<Effect>) {
    if card.is_reachable() {
        let Card { node, addresses, relay, .. } = card.clone();
        out.push(Effect::Learn { node, addresses, relay });
    }
}
