//! Who is asked for which piece, when a set of blobs is fetched from whoever has them.
//!
//! ```text
//!   piece:   missing ──asked──▶ in flight ──arrived──▶ here
//!               ▲                 │   └─ end game: in flight twice
//!               └─ lacked, broke, stalled, source lost
//!   source:  asked ◀──▶ backing off ──too often──▶ given up;  sent a wrong piece ──▶ struck out
//!   swarm:   running ──▶ Done (and on, with the next `Want`);  ──▶ Failed, for good
//! ```
//!
//! *Units.* Pieces are grouped into units of at most [`REQUEST_BYTES`] in [`UNIT_PIECES`] pieces:
//! neighbours in a blob, or small blobs in the order in which they were wanted. A request is for
//! pieces of one unit, so serving it is one sequential read, and choosing costs little.
//!
//! *Whom.* Holders other than the origin come first, each for the unit that the fewest of them have.
//! The origin is asked for what nobody else has. For the rest it is asked only while it has nothing
//! else to do for this node, and the other holders together need longer than [`HELP`]. Ties go by a
//! seed from outside that differs between nodes, so that nodes which fetch at the same time get
//! different units, find them at each other (surveys), and the origin sends each about once.
//! (BitTorrent's rarest first: Cohen, *Incentives Build Robustness in BitTorrent*, 2003, 2.4.)
//!
//! *How much.* What is in flight at a source is bounded by what it sends in [`WINDOW`], as measured.
//!
//! *Trouble.* A source that sends nothing for [`STALL`], or breaks a request, is left alone for a
//! while, longer each time, and given up after [`FAILURES`] in a row. One wrong piece strikes it out
//! for the session. Once everything is in flight, pieces that take long are asked of a second source.
//!
//! **Invariants:** a piece is in flight at most twice, at two sources; nothing is asked of a source
//! that didn't say it has it, that backs off or is struck out; every table has a bound; the same
//! events at the same times give the same effects.
//!
//! What it doesn't do: open streams, check hashes, keep pieces; find sources.

mod choose;
mod event;
mod source;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use outlast_types::{Hash, NodeId, Time};

use crate::wire::Have;
pub use event::{Ask, Cause, Effect, Event, Failure, Piece, RequestId, Tried};
use source::Source;
use units::Units;

/// Bytes of a unit, so of a request: a few milliseconds of a fast network, so the stream's own cost
/// vanishes; at 1 MiB/s it still moves within the second.
pub const REQUEST_BYTES: u64 = 1 << 20;

/// Pieces of a unit: they are a machine word's bits.
pub const UNIT_PIECES: usize = 64;

/// Blobs of one session: a tree's.
pub const BLOBS: usize = crate::tree::ENTRIES;

/// Pieces of one session: those of the largest file. Bounds the tables to some 10 MiB a source.
pub const PIECES: u64 = crate::wire::HAVE_PIECES;

/// Sources of one session. More don't make it faster, and each is surveyed.
pub const SOURCES: usize = 32;

/// Sources that are remembered after they were lost or struck out.
const REMEMBERED: usize = 128;

/// Requests in flight at a source. Small files make small requests.
const REQUESTS: usize = 32;

/// What is in flight at a source is what it sends in this time: hides the way there and back, and
/// doesn't keep what is asked for from others for long.
pub const WINDOW: Duration = Duration::from_millis(500);

/// Bounds of a window: two requests, so that one is on its way while the other is answered; and
/// what a source of 64 MiB/s is worth.
const WINDOW_BYTES: std::ops::RangeInclusive<u64> = 2 << 20..=32 << 20;

/// Bytes in flight at all sources.
const IN_FLIGHT_BYTES: u64 = 128 << 20;

/// A rate is measured over so long.
const MEASURE: Duration = Duration::from_millis(250);

/// A source that has requests and sends nothing for so long is stuck: the largest chunk takes that
/// at 26 KiB/s.
pub const STALL: Duration = Duration::from_secs(10);

/// How long a source is left alone after trouble: doubled each time, up to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// Troubles in a row after which a source is given up.
pub const FAILURES: u32 = 6;

/// Times that a source may say it lacks what it said it has. A cache throws things away now and
/// then; who does nothing else wastes everybody's time.
const LACKS: u32 = 4096;

/// A source is surveyed again after so long; less often while it has nothing new.
const SURVEY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// A survey that isn't answered for so long is asked again.
const SURVEY_LOST: Duration = Duration::from_secs(10);

/// The origin is asked for what others have if they need longer than this for all of it.
pub const HELP: Duration = Duration::from_secs(4);

/// In the end game a piece that takes longer than this is asked of a second source; of the origin
/// after three times that.
const END_GAME: Duration = Duration::from_secs(1);

/// Nothing is in flight for so long, and nobody is left alone meanwhile: it can't be done. A node
/// that was lost may be back by then.
pub const STARVED: Duration = Duration::from_secs(10);

/// Nothing arrived for so long, whatever was tried.
pub const GIVE_UP: Duration = Duration::from_secs(60);

/// A request that is out.
struct Request {
    node: NodeId,
    unit: usize,
    /// Pieces of the unit that it still owes.
    owed: u64,
    at: Time,
}

/// The machine. One for each set of blobs that is fetched.
pub struct Swarm {
    seed: u64,
    units: Units,
    sources: BTreeMap<NodeId, Source>,
    /// Lost or struck out.
    gone: BTreeMap<NodeId, Tried>,
    struck: BTreeSet<NodeId>,
    requests: BTreeMap<RequestId, Request>,
    next: u64,
    /// When a piece arrived last, or what is waited for began.
    arrived: Time,
    /// When the last request ended.
    idle: Time,
    /// When something happened last: what was due by then is done.
    seen: Time,
    failed: bool,
}

impl Swarm {
    /// A swarm that wants nothing yet. `seed` is for ties, and differs between nodes.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            units: Units::default(),
            sources: BTreeMap::new(),
            gone: BTreeMap::new(),
            struck: BTreeSet::new(),
            requests: BTreeMap::new(),
            next: 0,
            arrived: Time::ZERO,
            idle: Time::ZERO,
            seen: Time::ZERO,
            failed: false,
        }
    }

    /// Pieces that are wanted and not here.
    pub fn missing(&self) -> u64 {
        self.units.missing()
    }

    /// Bytes of them.
    pub fn missing_bytes(&self) -> u64 {
        self.units.missing_bytes()
    }

    /// Lets `event` happen, and says what is to be done.
    pub fn on_event(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        if self.failed {
            return;
        }
        self.seen = self.seen.max(now);
        match event {
            Event::Want { blob, lengths, here } => self.on_want(now, blob, &lengths, &here, out),
            Event::Source { node, origin } => self.on_source(now, node, origin),
            Event::Has { node, haves } => self.on_has(now, node, &haves),
            Event::Arrived { request, piece } => self.on_arrived(now, request, piece, out),
            Event::Wrong { request, piece } => self.on_wrong(now, request, piece, out),
            Event::Lacks { request, piece } => self.on_lacks(now, request, piece, out),
            Event::Broke { request, reason } => self.on_broke(now, request, reason, out),
            Event::Lost { node, reason } => self.remove(now, node, reason, out),
            Event::Tick => {}
        }
        self.check_stalls(now, out);
        self.survey(now, out);
        self.fill(now, out);
        self.check_hope(now, out);
    }

    /// When [`Event::Tick`] is due at the latest, if nothing else happens before. It is after the last
    /// event, and may be past already.
    pub fn next_tick(&self) -> Time {
        if self.failed || self.missing() == 0 {
            return Time::FAR;
        }
        let stalls = self.sources.values().filter(|s| s.requests > 0).map(|s| s.moved + STALL);
        let backoffs = self.sources.values().map(|s| s.not_before);
        let surveys = self.sources.values().filter_map(|s| s.survey_at);
        let second = [END_GAME, END_GAME * 3];
        let end_game = self
            .requests
            .values()
            .filter(|_| self.units.open().is_empty())
            .flat_map(|request| second.map(|after| request.at + after));
        let starved = self.requests.is_empty().then(|| self.idle + STARVED);
        let ticks = stalls.chain(backoffs).chain(surveys).chain(end_game).chain(starved);
        let next = ticks.chain([self.arrived + GIVE_UP]).filter(|&at| at > self.seen).min();
        next.unwrap_or(Time::FAR)
    }

    fn on_want(
        &mut self,
        now: Time,
        blob: Hash,
        lengths: &[u32],
        here: &crate::bitmap::Bitmap,
        out: &mut Vec<Effect>,
    ) {
        if self.units.knows(&blob) {
            return;
        }
        let full = self.units.blobs() >= BLOBS
            || self.units.pieces() + lengths.len() as u64 > PIECES
            || lengths.iter().any(|&length| length == 0 || length > crate::chunks::MAX_BYTES);
        if full {
            self.fail(now, Cause::TooMuch, out);
            return;
        }
        if self.missing() == 0 {
            (self.arrived, self.idle) = (now, now);
        }
        let added = self.units.add(blob, lengths, here);
        for source in self.sources.values_mut() {
            source.learn(&added, now);
        }
        if self.units.is_whole(&blob) {
            out.push(Effect::Complete { blob });
        }
        if self.missing() == 0 {
            out.push(Effect::Done);
        }
    }

    fn on_source(&mut self, now: Time, node: NodeId, origin: bool) {
        if self.struck.contains(&node) {
            return;
        }
        if let Some(known) = self.sources.get_mut(&node) {
            known.not_before = now;
            return;
        }
        // The origin always finds a place: it is what the others are instead of. And where so many
        // lied, nobody else is trusted.
        let full = self.sources.len() >= SOURCES || self.struck.len() >= REMEMBERED;
        if !origin && full {
            return;
        }
        self.gone.remove(&node);
        self.sources.insert(node, Source::new(origin, &self.units, now));
    }

    fn on_has(&mut self, now: Time, node: NodeId, haves: &[(Hash, Have)]) {
        let Some(source) = self.sources.get_mut(&node).filter(|source| !source.origin) else {
            return;
        };
        let mut changed = BTreeSet::new();
        for (blob, have) in haves {
            self.units.masks(blob, have, |unit, bits, said| {
                let old = source.has[unit];
                let new = old & !bits | said;
                if new != old {
                    source.has[unit] = new;
                    changed.insert(unit);
                }
            });
        }
        source.surveyed(now, !changed.is_empty());
        let shrunk = changed.iter().any(|&unit| self.recount(unit));
        if shrunk {
            self.sources.values_mut().for_each(|source| source.dry = false);
        }
    }

    fn on_arrived(
        &mut self,
        now: Time,
        request: Option<RequestId>,
        piece: Piece,
        out: &mut Vec<Effect>,
    ) {
        let Some((unit, bit)) = self.units.find(&piece) else { return };
        let length = self.units.length(unit, bit);
        let asked = request.and_then(|id| self.requests.get(&id));
        if let Some(asked) = asked.filter(|asked| asked.unit == unit && asked.owed & bit != 0)
            && let Some(source) = self.sources.get_mut(&asked.node)
        {
            source.moved(now, length);
        }
        let owing: Vec<RequestId> = self
            .requests
            .iter()
            .filter(|(_, request)| request.unit == unit && request.owed & bit != 0)
            .map(|(&id, _)| id)
            .collect();
        for id in owing {
            let node = self.requests[&id].node;
            let over = self.settle(now, id, bit);
            if over && Some(id) != request {
                out.push(Effect::Cancel { node, request: id });
            }
        }
        if !self.units.arrive(unit, bit) {
            return;
        }
        self.arrived = now;
        if self.units.is_whole(&piece.blob) {
            out.push(Effect::Complete { blob: piece.blob });
        }
        if self.missing() == 0 {
            out.push(Effect::Done);
        }
    }

    fn on_wrong(&mut self, now: Time, id: RequestId, piece: Piece, out: &mut Vec<Effect>) {
        let Some(request) = self.requests.get(&id) else { return };
        let node = request.node;
        let reason = format!("sent something else than piece {} of {}", piece.index, piece.blob);
        self.struck.insert(node);
        self.remove(now, node, reason, out);
    }

    fn on_lacks(&mut self, now: Time, id: RequestId, piece: Piece, out: &mut Vec<Effect>) {
        let Some((unit, bit)) = self.units.find(&piece) else { return };
        let Some(request) = self.requests.get(&id) else { return };
        if request.unit != unit || request.owed & bit == 0 {
            return;
        }
        let node = request.node;
        self.settle(now, id, bit);
        self.release(unit, bit);
        let Some(source) = self.sources.get_mut(&node) else { return };
        source.has[unit] &= !bit;
        source.lacks += 1;
        // It answers, if not by much.
        source.moved = now;
        let useless = source.lacks > LACKS;
        if self.recount(unit) {
            self.sources.values_mut().for_each(|source| source.dry = false);
        }
        if useless {
            self.remove(now, node, "never has what it says it has".to_owned(), out);
        }
    }

    fn on_broke(&mut self, now: Time, id: RequestId, reason: String, out: &mut Vec<Effect>) {
        let Some(request) = self.requests.get(&id) else { return };
        let node = request.node;
        self.drop_request(now, id);
        self.trouble(now, node, reason, out);
    }

    /// Something went wrong with a source: leaves it alone for a while, or for good.
    fn trouble(&mut self, now: Time, node: NodeId, reason: String, out: &mut Vec<Effect>) {
        let Some(source) = self.sources.get_mut(&node) else { return };
        if source.trouble(now, &reason) {
            self.remove(now, node, reason, out);
        }
    }

    /// A source is no more: what it owes others may be asked for.
    fn remove(&mut self, now: Time, node: NodeId, reason: String, out: &mut Vec<Effect>) {
        let Some(source) = self.sources.remove(&node) else { return };
        self.drop_requests(now, node, out);
        for unit in 0..self.units.len() {
            if source.has[unit] != 0 {
                self.recount(unit);
            }
        }
        self.sources.values_mut().for_each(|source| source.dry = false);
        if self.gone.len() < REMEMBERED {
            let tried =
                Tried { node, origin: source.origin, bytes: source.bytes, trouble: Some(reason) };
            self.gone.insert(node, tried);
        }
    }

    fn drop_requests(&mut self, now: Time, node: NodeId, out: &mut Vec<Effect>) {
        let of = |(&id, request): (&RequestId, &Request)| (request.node == node).then_some(id);
        let ids: Vec<RequestId> = self.requests.iter().filter_map(of).collect();
        for id in ids {
            self.drop_request(now, id);
            out.push(Effect::Cancel { node, request: id });
        }
    }

    /// Forgets a request; what it owes is open again.
    fn drop_request(&mut self, now: Time, id: RequestId) {
        let Some(request) = self.requests.get(&id) else { return };
        let (unit, owed) = (request.unit, request.owed);
        self.settle(now, id, owed);
        self.release(unit, owed);
    }

    /// A request no longer owes these. Whether it is over.
    fn settle(&mut self, now: Time, id: RequestId, bits: u64) -> bool {
        let Some(request) = self.requests.get_mut(&id) else { return false };
        let bits = bits & request.owed;
        request.owed &= !bits;
        let over = request.owed == 0;
        let (node, unit) = (request.node, request.unit);
        if over {
            self.requests.remove(&id);
            if self.requests.is_empty() {
                self.idle = now;
            }
        }
        if let Some(source) = self.sources.get_mut(&node) {
            source.in_flight -= self.units.bytes_of(unit, bits);
            source.requests -= usize::from(over);
        }
        over
    }

    /// Pieces that one request no longer owes, and that aren't here.
    fn release(&mut self, unit: usize, bits: u64) {
        if self.units.release(unit, bits) {
            self.sources.values_mut().for_each(|source| source.dry = false);
        }
    }

    /// Counts again who has something of a unit. Whether less is held than before.
    fn recount(&mut self, unit: usize) -> bool {
        let others = self.sources.values().filter(|source| !source.origin);
        let masks = others.map(|source| source.has[unit]).filter(|&mask| mask != 0);
        self.units.set_held(unit, masks)
    }

    fn check_stalls(&mut self, now: Time, out: &mut Vec<Effect>) {
        let stuck = |source: &Source| source.requests > 0 && source.moved + STALL <= now;
        let stuck: Vec<NodeId> =
            self.sources.iter().filter(|(_, s)| stuck(s)).map(|(&node, _)| node).collect();
        for node in stuck {
            self.drop_requests(now, node, out);
            self.trouble(now, node, format!("sent nothing for {} s", STALL.as_secs()), out);
        }
    }

    fn survey(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.missing() == 0 {
            return;
        }
        for (&node, source) in &mut self.sources {
            if source.survey_at.is_some_and(|at| at <= now) && source.not_before <= now {
                let blobs = source.next_survey(now, &self.units);
                if !blobs.is_empty() {
                    out.push(Effect::Survey { node, blobs });
                }
            }
        }
    }

    /// Gives up if nothing can come of it.
    fn check_hope(&mut self, now: Time, out: &mut Vec<Effect>) {
        if self.missing() == 0 {
            return;
        }
        let waiting = self.sources.values().any(|source| source.not_before > now);
        let starved = self.requests.is_empty() && !waiting && self.idle + STARVED <= now;
        if starved {
            self.fail(now, Cause::Nobody, out);
        } else if self.arrived + GIVE_UP <= now {
            self.fail(now, Cause::Nothing, out);
        }
    }

    fn fail(&mut self, now: Time, cause: Cause, out: &mut Vec<Effect>) {
        let nodes: Vec<NodeId> = self.sources.keys().copied().collect();
        nodes.into_iter().for_each(|node| self.drop_requests(now, node, out));
        self.failed = true;
        let here = self.sources.iter().map(|(&node, source)| Tried {
            node,
            origin: source.origin,
            bytes: source.bytes,
            trouble: source.trouble.clone(),
        });
        let mut tried: Vec<Tried> = here.chain(self.gone.values().cloned()).collect();
        tried.sort_by_key(|tried| (!tried.origin, tried.node));
        let (pieces, bytes) = (self.missing(), self.missing_bytes());
        out.push(Effect::Failed(Failure { cause, pieces, bytes, tried }));
    }
}

#[cfg(test)]
mod tests;
