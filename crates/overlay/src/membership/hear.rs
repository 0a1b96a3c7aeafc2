//! What follows from a message.

use outlast_types::{Ad, NodeId, Time, limits};

use std::time::Duration;

use super::greet::{Contact, learn};
use super::{Effect, Membership};
use crate::Settings;
use crate::member::{Card, Member, State};
use crate::message::{Echo, Introduction, Message, is_valid};
use crate::settings::MAX_REST;

/// How the incarnation in a message relates to what is known of its sender.
enum Life {
    /// The known one.
    Known,
    /// Nothing is known, or the known one is over: it has to introduce itself.
    New,
    /// One that is over.
    Over,
}

fn life(settings: &Settings, now: Time, member: Option<&Member>, incarnation: u64) -> Life {
    let Some(member) = member else { return Life::New };
    match (incarnation.cmp(&member.card.incarnation), member.state) {
        (std::cmp::Ordering::Equal, State::Left) => Life::Over,
        (std::cmp::Ordering::Equal, _) => Life::Known,
        (std::cmp::Ordering::Greater, _) => Life::New,
        // A clock may have been set back while the node was away.
        (std::cmp::Ordering::Less, State::Lost) => Life::New,
        (std::cmp::Ordering::Less, State::Left)
            if now.since(member.since) >= settings.lost_after =>
        {
            Life::New
        }
        (std::cmp::Ordering::Less, _) => Life::Over,
    }
}

/// A heartbeat's fields but for the ad.
struct Beat {
    digest: u64,
    stamp: u64,
    echo: Option<Echo>,
    answer: bool,
    next: Duration,
}

impl Membership {
    /// Takes a message. `from` is who the transport says it is.
    pub fn on_message(&mut self, now: Time, from: NodeId, message: Message, out: &mut Vec<Effect>) {
        if self.left {
            return;
        }
        if from == self.own.card.node {
            self.counters.impostors += 1;
            return;
        }
        match message {
            Message::Hello { me, cards } => {
                if self.on_introduction(now, from, me, true, out) {
                    let cards = if cards { self.cards_for(now, from) } else { None };
                    let (me, cards) = (self.own.introduction(), cards.unwrap_or_default());
                    out.push(Effect::Send { to: from, message: Message::Welcome { me, cards } });
                }
            }
            Message::Welcome { me, cards } => {
                if self.on_introduction(now, from, me, false, out) {
                    self.on_cards(now, from, cards, out);
                }
            }
            Message::Heartbeat { incarnation, ad, digest, stamp, echo, answer, next_ms } => {
                match life(&self.settings, now, self.members.get(&from), incarnation) {
                    Life::Over => self.counters.stale += 1,
                    Life::New => self.ask_who(from, out),
                    Life::Known if !is_valid(&ad) => self.counters.malformed += 1,
                    Life::Known => {
                        let next = Duration::from_millis(next_ms.into());
                        let beat = Beat { digest, stamp, echo, answer, next };
                        self.on_heartbeat(now, from, ad, beat, out);
                    }
                }
            }
            Message::Pull if self.is_up(&from) => {
                if let Some(cards) = self.cards_for(now, from) {
                    out.push(Effect::Send { to: from, message: Message::Cards { cards } });
                }
            }
            Message::Cards { cards } if self.is_up(&from) => self.on_cards(now, from, cards, out),
            Message::Pull | Message::Cards { .. } => self.counters.strangers += 1,
            Message::Full => self.on_full(now, from),
            Message::Bye { incarnation } => self.on_bye(now, from, incarnation, out),
        }
    }

    /// Somebody says who it is. Whether it is a member now.
    fn on_introduction(
        &mut self,
        now: Time,
        from: NodeId,
        me: Introduction,
        asks: bool,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some((card, ad)) = me.split(from) else {
            self.counters.malformed += 1;
            return false;
        };
        match life(&self.settings, now, self.members.get(&from), card.incarnation) {
            Life::Over => {
                self.counters.stale += 1;
                return false;
            }
            Life::Known => {
                self.heard(now, from, out);
                if let Some(member) = self.members.get_mut(&from) {
                    if card.is_reachable() && !member.card.same_place(&card) {
                        learn(&card, out);
                        member.card = card;
                    }
                    member.take_ad(ad, out);
                }
            }
            Life::New => {
                if !self.members.contains_key(&from) && !self.make_room(now) {
                    self.counters.refused += 1;
                    if asks {
                        out.push(Effect::Send { to: from, message: Message::Full });
                    }
                    return false;
                }
                self.admit(now, card, ad, out);
            }
        }
        true
    }

    /// A node begins a life as a member.
    fn admit(&mut self, now: Time, mut card: Card, ad: Ad, out: &mut Vec<Effect>) {
        let node = card.node;
        let contact = self.contacts.remove(&node);
        let before = self.members.remove(&node);
        let known = before.as_ref().map(|member| &member.card);
        if !card.is_reachable()
            && let Some(known) = known.or(contact.as_ref().map(|contact| &contact.card))
        {
            card.add(known);
        }
        if before.as_ref().is_some_and(|member| member.state.is_up()) {
            self.own.toggle(&node, now);
            out.push(Effect::Down { node, polite: false });
        }
        let wanted = contact.is_some_and(|contact| contact.is_wanted())
            || before.is_some_and(|member| member.wanted);
        learn(&card, out);
        self.members.insert(node, Member::new(card, ad, wanted, now));
        self.own.toggle(&node, now);
        out.push(Effect::Up { node });
    }

    /// Room for one more, in place of the member that is down for longest if need be.
    fn make_room(&mut self, now: Time) -> bool {
        if self.members.len() < limits::MEMBERS {
            return true;
        }
        let down = self.members.iter().filter(|(_, member)| !member.state.is_up());
        let oldest = down.map(|(node, member)| (member.since, *node)).min();
        let Some(member) = oldest.and_then(|(_, node)| self.members.remove(&node)) else {
            return false;
        };
        if member.wanted {
            self.contacts.insert(member.card.node, Contact::wanted(member.card, now));
        }
        true
    }

    /// Asks a node that speaks like a member who it is; if there is no room for it, tells it so.
    fn ask_who(&mut self, from: NodeId, out: &mut Vec<Effect>) {
        let room = self.members.contains_key(&from)
            || self.members.len() < limits::MEMBERS
            || self.members.values().any(|member| !member.state.is_up());
        let message = if room {
            Message::Hello { me: self.own.introduction(), cards: false }
        } else {
            self.counters.refused += 1;
            Message::Full
        };
        out.push(Effect::Send { to: from, message });
    }

    /// A word from a member in its known life.
    fn heard(&mut self, now: Time, from: NodeId, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&from) else { return };
        member.last_heard = now;
        match member.state {
            State::Alive => {}
            State::Suspect => member.turn(State::Alive, now),
            State::Lost | State::Left => {
                member.turn(State::Alive, now);
                member.differs = None;
                self.own.toggle(&from, now);
                out.push(Effect::Up { node: from });
            }
        }
    }

    fn on_heartbeat(&mut self, now: Time, from: NodeId, ad: Ad, beat: Beat, out: &mut Vec<Effect>) {
        self.heard(now, from, out);
        let Some(member) = self.members.get_mut(&from) else { return };
        if let Some(sample) = beat.echo.and_then(|echo| round_trip(now, echo))
            && sample <= self.settings.lost_after
        {
            member.measured(sample);
        }
        if beat.answer {
            let message = self.own.heartbeat(now, member, false);
            out.push(Effect::Send { to: from, message });
        }
        if member.stamp.is_some_and(|(newest, _)| beat.stamp < newest) {
            return; // Overtaken: what it says has changed since.
        }
        member.stamp = Some((beat.stamp, now));
        member.slack = beat.next.min(MAX_REST).saturating_sub(self.settings.heartbeat);
        member.take_ad(ad, out);
        self.compare(now, from, beat.digest, out);
    }

    /// Pulls a member's cards if it has seen others than this node for a while.
    fn compare(&mut self, now: Time, from: NodeId, theirs: u64, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&from) else { return };
        let ours = self.own.digest;
        if theirs == ours {
            member.differs = None;
            return;
        }
        let since = *member.differs.get_or_insert(now);
        // The same difference, asked about and still there: somebody hears a node that we can't reach.
        let in_vain = member.pulled.is_some_and(|(a, b, at)| {
            (a, b) == (theirs, ours) && now.since(at) < self.settings.retry_max * 2
        });
        if now.since(since) >= self.settings.pull_every && now >= self.next_pull && !in_vain {
            member.pulled = Some((theirs, ours, now));
            self.next_pull = now + self.settings.heartbeat;
            out.push(Effect::Send { to: from, message: Message::Pull });
        }
    }

    /// Who else is up, for a member that asks; none if it asked just now.
    fn cards_for(&mut self, now: Time, to: NodeId) -> Option<Vec<Card>> {
        let pause = self.settings.heartbeat / 2;
        if let Some(member) = self.members.get_mut(&to) {
            // A table is a thousand times as long as the question.
            if member.told.is_some_and(|at| now.since(at) < pause) {
                self.counters.pulls_dropped += 1;
                return None;
            }
            member.told = Some(now);
        }
        let up = self.members.values().filter(|member| member.state.is_up());
        let others = up.filter(|member| member.card.node != to);
        let others = others.filter(|member| self.may_know(&to, &member.card.node));
        Some(others.map(|member| member.card.clone()).collect())
    }

    fn on_bye(&mut self, now: Time, from: NodeId, incarnation: u64, out: &mut Vec<Effect>) {
        let Some(member) = self.members.get_mut(&from) else { return };
        if incarnation < member.card.incarnation || member.state == State::Left {
            self.counters.stale += 1;
            return;
        }
        let was_up = member.state.is_up();
        member.card.incarnation = incarnation;
        member.last_heard = now;
        member.turn(State::Left, now);
        if was_up {
            self.own.toggle(&from, now);
            out.push(Effect::Down { node: from, polite: true });
        }
    }

    fn is_up(&self, node: &NodeId) -> bool {
        self.members.get(node).is_some_and(|member| member.state.is_up())
    }
}

impl Member {
    fn take_ad(&mut self, ad: Ad, out: &mut Vec<Effect>) {
        if self.ad != ad {
            self.ad = ad;
            out.push(Effect::AdChanged { node: self.card.node });
        }
    }
}

/// Time on the way, both ways; none if the echo can't be one.
fn round_trip(now: Time, echo: Echo) -> Option<Duration> {
    let elapsed = now.as_micros().checked_sub(echo.stamp)?;
    elapsed.checked_sub(echo.held_us).map(Duration::from_micros)
}
