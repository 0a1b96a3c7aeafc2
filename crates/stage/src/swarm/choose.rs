//! What is asked of whom next.

use outlast_types::{NodeId, Time};

use super::source::Source;
use super::{
    END_GAME, Effect, HELP, IN_FLIGHT_BYTES, REQUEST_BYTES, REQUESTS, Request, RequestId, Swarm,
};

/// Which of a unit's open pieces a source may be asked for.
#[derive(Clone, Copy, PartialEq)]
enum Choice {
    /// Those that it has.
    Held,
    /// Those that it has and nobody but the origin.
    Unheld,
}

/// A number that depends on both (SplitMix64's finaliser).
pub(super) fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Source {
    /// Whether it can be asked for a unit.
    fn has_room(&self, now: Time) -> bool {
        self.not_before <= now
            && self.requests < REQUESTS
            && self.in_flight + REQUEST_BYTES <= self.window()
    }
}

impl Swarm {
    /// Fills the sources' windows.
    pub(super) fn fill(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.missing() == 0 {
            return;
        }
        let mut others = Vec::new();
        let mut origins = Vec::new();
        for (&node, source) in &self.sources {
            if source.origin { &mut origins } else { &mut others }.push(node);
        }
        // Not everybody begins with the same node.
        others.sort_by_key(|node| {
            let bytes = node.as_bytes().first_chunk().expect("32 bytes");
            (mix(self.seed, u64::from_le_bytes(*bytes)), *node)
        });
        self.fill_from(now, &others, Choice::Held, out);
        self.fill_from(now, &origins, Choice::Unheld, out);
        self.help(now, &others, &origins, out);
        self.end_game(now, &others, &origins, out);
    }

    /// One request each in turn, until none can take another.
    fn fill_from(&mut self, now: Time, nodes: &[NodeId], choice: Choice, out: &mut Vec<Effect>) {
        let mut any = true;
        while any {
            any = false;
            for &node in nodes {
                let source = &self.sources[&node];
                if source.dry || !source.has_room(now) || !self.has_room() {
                    continue;
                }
                if let Some((unit, bits)) = self.best(source, choice) {
                    self.request(now, node, unit, bits, out);
                    any = true;
                } else if let Some(source) = self.sources.get_mut(&node) {
                    source.dry = true;
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        let in_flight: u64 = self.sources.values().map(|source| source.in_flight).sum();
        in_flight + REQUEST_BYTES <= IN_FLIGHT_BYTES
    }

    /// The unit that the fewest have, of those that the source has something of.
    fn best(&self, source: &Source, choice: Choice) -> Option<(usize, u64)> {
        let bits = |unit: usize| {
            let bits = self.units.open_bits(unit) & source.has[unit];
            if choice == Choice::Unheld { bits & !self.units.held(unit) } else { bits }
        };
        let open = self.units.open().iter().copied().filter(|&unit| bits(unit) != 0);
        let rarest = |&unit: &usize| (self.units.holders(unit), mix(self.seed, unit as u64));
        open.min_by_key(rarest).map(|unit| (unit, bits(unit)))
    }

    /// An origin that has nothing else to do for us helps with what others have, too.
    fn help(&mut self, now: Time, others: &[NodeId], origins: &[NodeId], out: &mut Vec<Effect>) {
        let rate: u64 = others.iter().map(|node| self.sources[node].rate).sum();
        if self.units.open().is_empty() || rate * HELP.as_secs() >= self.missing_bytes() {
            return;
        }
        for &node in origins {
            let source = &self.sources[&node];
            if source.requests == 0
                && source.has_room(now)
                && let Some((unit, bits)) = self.best(source, Choice::Held)
            {
                self.request(now, node, unit, bits, out);
            }
        }
    }

    /// With everything in flight, what takes long is asked of somebody who has nothing to do.
    fn end_game(
        &mut self,
        now: Time,
        others: &[NodeId],
        origins: &[NodeId],
        out: &mut Vec<Effect>,
    ) {
        if !self.units.open().is_empty() {
            return;
        }
        let patience = others.iter().map(|node| (node, END_GAME));
        for (&node, patience) in patience.chain(origins.iter().map(|node| (node, END_GAME * 3))) {
            let source = &self.sources[&node];
            if source.requests > 0 || !source.has_room(now) {
                continue;
            }
            let late = self.requests.values().filter(|r| r.node != node && r.at + patience <= now);
            let mut late = late.map(|request| {
                let bits = request.owed & self.units.once(request.unit) & source.has[request.unit];
                (request.unit, bits)
            });
            if let Some((unit, bits)) = late.find(|&(_, bits)| bits != 0) {
                self.request(now, node, unit, bits, out);
            }
        }
    }

    fn request(&mut self, now: Time, node: NodeId, unit: usize, bits: u64, out: &mut Vec<Effect>) {
        let id = RequestId(self.next);
        self.next += 1;
        self.units.asked(unit, bits);
        let bytes = self.units.bytes_of(unit, bits);
        self.sources.get_mut(&node).expect("it was chosen").ask(now, bytes);
        self.requests.insert(id, Request { node, unit, owed: bits, at: now });
        out.push(Effect::Request { node, request: id, ask: self.units.ask(unit, bits) });
    }
}
