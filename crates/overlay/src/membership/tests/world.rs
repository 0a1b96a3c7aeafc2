//! A seeded world: delay, loss, duplication, partition, crash and restart. Every message goes through the
//! codec; invariants are checked after each event.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use outlast_types::{limits, wire};

use super::super::*;

pub(super) fn id(n: usize) -> NodeId {
    let mut bytes = [0; 32];
    bytes[3..5].copy_from_slice(&(n as u16).to_be_bytes());
    NodeId::from_bytes(bytes)
}

/// The organisation that all are in.
pub(super) const VO: VoId = VoId::from_bytes([3; 32]);

pub(super) fn address(n: usize, life: u64) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 7000 + life as u16))
}

pub(super) fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn at(ms: u64) -> Time {
    Time::ZERO + millis(ms)
}

struct Living {
    machine: Membership,
    /// Whom it called up last.
    up: BTreeSet<NodeId>,
}

#[derive(Clone, Debug)]
pub(super) struct Went {
    pub(super) when: Time,
    pub(super) observer: usize,
    pub(super) node: NodeId,
    pub(super) polite: bool,
}

pub(super) struct World {
    pub(super) now: Time,
    pub(super) delay_us: Range<u64>,
    pub(super) loss_permille: u64,
    pub(super) duplicate_permille: u64,
    pub(super) settings: Settings,
    /// Nodes hear each other within a group.
    pub(super) group: Vec<u8>,
    pub(super) downs: Vec<Went>,
    pub(super) ups: usize,
    pub(super) sent: Vec<u64>,
    pub(super) sent_bytes: u64,
    /// Of everything that happened.
    pub(super) trace: u64,
    nodes: Vec<Option<Living>>,
    lives: Vec<u64>,
    remembered: Vec<Vec<Card>>,
    queue: BTreeMap<(Time, u64), (usize, NodeId, Vec<u8>)>,
    count: u64,
    random: u64,
}

impl World {
    pub(super) fn new(seed: u64, nodes: usize) -> Self {
        Self {
            now: at(1_000),
            delay_us: 200..20_000,
            loss_permille: 0,
            duplicate_permille: 0,
            settings: Settings::default(),
            group: vec![0; nodes],
            downs: Vec::new(),
            ups: 0,
            sent: vec![0; nodes],
            sent_bytes: 0,
            trace: seed,
            nodes: (0..nodes).map(|_| None).collect(),
            lives: vec![0; nodes],
            remembered: vec![Vec::new(); nodes],
            queue: BTreeMap::new(),
            count: 0,
            random: seed,
        }
    }

    /// SplitMix64.
    pub(super) fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    pub(super) fn card(&self, n: usize) -> Card {
        Card {
            node: id(n),
            addresses: vec![address(n, self.lives[n])],
            relay: None,
            incarnation: 0,
        }
    }

    /// Starts a node that knows these and whom it remembers.
    pub(super) fn start(&mut self, n: usize, contacts: &[usize]) {
        assert!(self.nodes[n].is_none());
        self.lives[n] += 1;
        let card = Card { incarnation: self.now.as_micros(), ..self.card(n) };
        let ad = Ad { name: format!("n{n}"), slots: 2, free: 2, ..Ad::default() };
        let mut machine = Membership::new(card, ad, self.settings, self.now);
        (0..self.nodes.len()).for_each(|other| machine.set_shared(id(other), vec![VO]));
        self.nodes[n] = Some(Living { machine, up: BTreeSet::new() });
        let mut known = self.remembered[n].clone();
        known.extend(contacts.iter().map(|&contact| self.card(contact)));
        self.act(n, |machine, now, out| machine.join(now, known, out));
    }

    pub(super) fn kill(&mut self, n: usize) {
        if let Some(living) = self.nodes[n].take() {
            self.remembered[n] = living.machine.cards();
        }
    }

    pub(super) fn leave(&mut self, n: usize) {
        self.act(n, |machine, now, out| machine.leave(now, out));
        self.kill(n);
    }

    pub(super) fn machine(&self, n: usize) -> &Membership {
        &self.nodes[n].as_ref().unwrap().machine
    }

    pub(super) fn is_running(&self, n: usize) -> bool {
        self.nodes[n].is_some()
    }

    pub(super) fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&n| self.is_running(n)).collect()
    }

    pub(super) fn act(
        &mut self,
        n: usize,
        act: impl FnOnce(&mut Membership, Time, &mut Vec<Effect>),
    ) {
        let now = self.now;
        let mut out = Vec::new();
        let Some(living) = &mut self.nodes[n] else { return };
        act(&mut living.machine, now, &mut out);
        for effect in out {
            self.carry_out(n, effect);
        }
        let machine = self.machine(n);
        assert!(machine.members.len() <= limits::MEMBERS);
        assert!(machine.members().all(|member| member.card.node != id(n)));
        let up = machine.members().filter(|member| member.state.is_up());
        let up: BTreeSet<NodeId> = up.map(|member| member.card.node).collect();
        assert_eq!(self.nodes[n].as_ref().unwrap().up, up, "effects and states agree");
        let digest = up.iter().map(token).fold(token(&id(n)), |a, b| a ^ b);
        assert_eq!(machine.own.digest, digest);
    }

    fn carry_out(&mut self, n: usize, effect: Effect) {
        for byte in format!("{} {n} {effect:?}", self.now).bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        let now = self.now;
        let up = &mut self.nodes[n].as_mut().unwrap().up;
        match effect {
            Effect::Learn { node, addresses, .. } => {
                assert!(node != id(n) && !addresses.is_empty())
            }
            Effect::Up { node } => {
                self.ups += 1;
                assert!(up.insert(node), "{n}: {node:?} came up twice");
            }
            Effect::Down { node, polite } => {
                assert!(up.remove(&node), "{n}: {node:?} went down twice");
                self.downs.push(Went { when: now, observer: n, node, polite });
            }
            Effect::AdChanged { node } => assert!(up.contains(&node)),
            Effect::Send { to, message } => {
                if let Message::Cards { cards } | Message::Welcome { cards, .. } = &message {
                    assert!(cards.iter().all(|card| card.node != to && card.node != id(n)));
                }
                self.send(n, to, &message);
            }
        }
    }

    fn send(&mut self, from: usize, to: NodeId, message: &Message) {
        let frame = wire::encode(message, limits::FRAME_BYTES).unwrap();
        self.sent[from] += 1;
        self.sent_bytes += frame.len() as u64;
        let Some(to) = (0..self.nodes.len()).find(|&n| id(n) == to) else { return };
        if self.group[from] != self.group[to] {
            return;
        }
        let copies = if self.random(1000) < self.loss_permille {
            0
        } else {
            1 + u64::from(self.random(1000) < self.duplicate_permille)
        };
        for _ in 0..copies {
            let delay = self.delay_us.start + self.random(self.delay_us.end - self.delay_us.start);
            self.count += 1;
            let arrives = self.now + Duration::from_micros(delay);
            self.queue.insert((arrives, self.count), (to, id(from), frame.clone()));
        }
    }

    /// The next event, if it comes before `end`.
    fn step(&mut self, end: Time) -> bool {
        let tick = self
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(n, living)| Some((living.as_ref()?.machine.next_tick(), n)))
            .min();
        let arrival = self.queue.first_key_value().map(|(key, _)| key.0);
        let tick_at = tick.map_or(Time::FAR, |(at, _)| at);
        let next = tick_at.min(arrival.unwrap_or(Time::FAR));
        if next > end {
            self.now = end;
            return false;
        }
        self.now = self.now.max(next);
        if arrival.is_some_and(|arrival| arrival <= tick_at) {
            let (_, (to, from, frame)) = self.queue.pop_first().unwrap();
            let message: Message = wire::decode(&frame, limits::FRAME_BYTES).unwrap();
            self.act(to, |machine, now, out| machine.on_message(now, from, message, out));
        } else if let Some((_, n)) = tick {
            self.act(n, |machine, now, out| {
                machine.on_tick(now, out);
                assert!(machine.next_tick() > now, "a tick has to move time on");
            });
        }
        true
    }

    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
    }

    /// Runs until the world is as it should be.
    pub(super) fn until(&mut self, within: Duration, what: &str, is_so: fn(&Self) -> bool) {
        let end = self.now + within;
        while !is_so(self) {
            assert!(self.step(end), "not within {within:?}: {what}\n{}", self.tables());
        }
    }

    /// All that run see all that run, and nobody else.
    pub(super) fn is_complete(&self) -> bool {
        let running: BTreeSet<NodeId> = self.running().into_iter().map(id).collect();
        self.running().into_iter().all(|n| {
            let mut seen = self.nodes[n].as_ref().unwrap().up.clone();
            seen.insert(id(n));
            seen == running
        })
    }

    fn tables(&self) -> String {
        let row = |n: usize| {
            let members = self.machine(n).members();
            let members: Vec<_> =
                members.map(|m| format!("{:?} {:?}", m.card.node, m.state)).collect();
            let contacts: Vec<_> = self.machine(n).contacts.keys().collect();
            format!("{:?}: {members:?}, contacts {contacts:?}\n", id(n))
        };
        self.running().into_iter().map(row).collect()
    }
}
