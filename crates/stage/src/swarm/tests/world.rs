//! A grid of swarms in one process: an origin, nodes that fetch and serve, upload links that carry
//! one piece at a time, losses, liars, leavers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::swarm::choose::mix;

/// What a node of the world sends in a second.
const UPLOAD: u64 = 8 << 20;
/// One way through the network.
const LATENCY: Duration = Duration::from_millis(5);
/// Until others notice that a node is gone.
const NOTICE: Duration = Duration::from_secs(2);
/// No world goes on for longer.
const END: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Running,
    Done,
    Failed,
}

/// Keeps books of what a swarm may do.
#[derive(Default)]
pub(super) struct Checker {
    blobs: BTreeMap<Hash, usize>,
    open: BTreeMap<RequestId, (NodeId, BTreeSet<Piece>)>,
    here: BTreeSet<Piece>,
    struck: BTreeSet<NodeId>,
    failed: bool,
}

impl Checker {
    pub(super) fn heard(&mut self, event: &Event) {
        match event {
            Event::Want { blob, lengths, .. } => {
                self.blobs.entry(*blob).or_insert(lengths.len());
            }
            Event::Arrived { piece, .. } => {
                if self.blobs.get(&piece.blob).is_some_and(|&len| (piece.index as usize) < len) {
                    self.here.insert(*piece);
                }
                for (_, owed) in self.open.values_mut() {
                    owed.remove(piece);
                }
            }
            Event::Lacks { request, piece } => {
                if let Some((_, owed)) = self.open.get_mut(request) {
                    owed.remove(piece);
                }
            }
            Event::Wrong { request, .. } => {
                if let Some((node, _)) = self.open.get(request) {
                    self.struck.insert(*node);
                }
            }
            Event::Broke { request, .. } => {
                self.open.remove(request);
            }
            _ => {}
        }
        self.open.retain(|_, (_, owed)| !owed.is_empty());
    }

    pub(super) fn wanted<'a>(&mut self, effects: impl Iterator<Item = &'a Effect>) {
        for effect in effects {
            assert!(!self.failed, "{effect:?} after a failure");
            match effect {
                Effect::Request { node, request, ask } => {
                    let pieces = ask.pieces();
                    assert!((1..=UNIT_PIECES).contains(&pieces.len()));
                    assert!(!self.struck.contains(node), "asks a liar again");
                    for piece in &pieces {
                        assert!(!self.here.contains(piece), "asks for what is here");
                        let others = self.open.values().filter(|(_, owed)| owed.contains(piece));
                        let nodes: Vec<NodeId> = others.map(|(node, _)| *node).collect();
                        assert!(nodes.len() < 2, "in flight three times");
                        assert!(!nodes.contains(node), "asks the same node twice");
                    }
                    self.open.insert(*request, (*node, pieces.into_iter().collect()));
                }
                Effect::Cancel { request, .. } => {
                    self.open.remove(request);
                }
                Effect::Failed(_) => self.failed = true,
                _ => {}
            }
        }
    }
}

/// An answer on its way out.
struct Job {
    client: usize,
    request: RequestId,
    pieces: VecDeque<Piece>,
}

struct Host {
    swarm: Option<Swarm>,
    checker: Checker,
    here: BTreeMap<Hash, Bitmap>,
    alive: bool,
    liar: bool,
    jobs: VecDeque<Job>,
    sending: bool,
    sent: u64,
    tick: Time,
    outcome: Outcome,
}

enum Action {
    Happen(usize, Event),
    Tick(usize),
    Ask(usize, Job),
    Survey(usize, usize, Vec<Hash>),
    Sent(usize),
    Leave(usize),
}

pub(super) struct World {
    now: Time,
    next: u64,
    queue: BTreeMap<(Time, u64), Action>,
    hosts: Vec<Host>,
    lengths: BTreeMap<Hash, Vec<u32>>,
    cancelled: BTreeSet<(usize, RequestId)>,
    seed: u64,
    dice: u64,
    pub(super) loss: f64,
    pub(super) trace: blake3::Hasher,
}

impl World {
    /// An origin (0) and so many others.
    pub(super) fn new(seed: u64, others: usize) -> Self {
        let host = |number: usize| Host {
            swarm: (number > 0).then(|| Swarm::new(mix(seed, number as u64))),
            checker: Checker::default(),
            here: BTreeMap::new(),
            alive: true,
            liar: false,
            jobs: VecDeque::new(),
            sending: false,
            sent: 0,
            tick: Time::FAR,
            outcome: Outcome::Running,
        };
        Self {
            now: Time::ZERO,
            next: 0,
            queue: BTreeMap::new(),
            hosts: (0..=others).map(host).collect(),
            lengths: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            seed,
            dice: 0,
            loss: 0.0,
            trace: blake3::Hasher::new(),
        }
    }

    /// They say that they have everything, and send something else.
    pub(super) fn liars(&mut self, liars: &[usize]) {
        liars.iter().for_each(|&liar| self.hosts[liar].liar = true);
    }

    pub(super) fn leaves(&mut self, host: usize, seconds: f64) {
        self.after(Duration::from_secs_f64(seconds), Action::Leave(host));
    }

    /// Everybody wants blobs of these sizes, and knows all others.
    pub(super) fn wants(&mut self, sizes: &[u64]) {
        for (number, &size) in sizes.iter().enumerate() {
            let lengths = self.cut(size);
            self.lengths.insert(blob(number as u32), lengths);
        }
        for number in 0..self.hosts.len() {
            let start = Duration::from_millis(self.roll() % 300);
            for (&blob, lengths) in &self.lengths.clone() {
                let none = Bitmap::none(lengths.len() as u32);
                let all = Bitmap::all(none.len());
                let here = if number == 0 { all } else { none.clone() };
                self.hosts[number].here.insert(blob, here);
                let event = Event::Want { blob, lengths: lengths.clone(), here: none };
                self.after(start, Action::Happen(number, event));
            }
            for other in (0..self.hosts.len()).filter(|&other| other != number) {
                let source = Event::Source { node: node(other as u8), origin: other == 0 };
                self.after(start, Action::Happen(number, source));
            }
        }
    }

    /// Chunks as a file of this size may have them.
    fn cut(&mut self, size: u64) -> Vec<u32> {
        if size <= crate::chunks::WHOLE_BYTES {
            return vec![size as u32];
        }
        let mut lengths = Vec::new();
        let mut left = size;
        while left > 0 {
            let length = ((16 << 10) + self.roll() % (96 << 10)).min(left);
            lengths.push(length as u32);
            left -= length;
        }
        lengths
    }

    /// Until nothing happens any more; gives the time when the last was done.
    pub(super) fn run(&mut self) -> Time {
        let mut end = Time::ZERO;
        while let Some(((now, _), action)) = self.queue.pop_first() {
            assert!(now.since(Time::ZERO) < END, "no end");
            self.now = now;
            let before = self.outcomes();
            self.act(action);
            if self.outcomes() != before {
                end = now;
            }
        }
        end
    }

    fn outcomes(&self) -> Vec<Outcome> {
        self.hosts.iter().map(|host| host.outcome).collect()
    }

    /// Whether all that are still there ended so.
    pub(super) fn all(&self, outcome: Outcome) -> bool {
        let mut there = self.hosts.iter().filter(|host| host.alive && host.swarm.is_some());
        there.all(|host| host.outcome == outcome)
    }

    /// How often the origin sent everything.
    pub(super) fn copies(&self) -> f64 {
        let bytes: u64 = self.lengths.values().flatten().map(|&l| u64::from(l)).sum();
        self.hosts[0].sent as f64 / bytes as f64
    }

    fn roll(&mut self) -> u64 {
        self.dice += 1;
        mix(self.seed, self.dice)
    }

    fn after(&mut self, time: Duration, action: Action) {
        self.next += 1;
        self.queue.insert((self.now + time, self.next), action);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Happen(host, event) => self.happen(host, event),
            Action::Tick(host) => {
                if self.hosts[host].tick == self.now {
                    self.happen(host, Event::Tick);
                }
            }
            Action::Ask(server, job) => {
                if self.hosts[server].alive {
                    self.hosts[server].jobs.push_back(job);
                    self.send(server);
                }
            }
            Action::Survey(server, client, blobs) => {
                let of = &self.hosts[server];
                if !of.alive {
                    return;
                }
                let have = |blob: &Hash| match &of.here[blob] {
                    _ if of.liar => Have::All,
                    here if here.is_all() => Have::All,
                    here if here.count() == 0 => Have::None,
                    here => Have::Some(here.clone()),
                };
                let haves = blobs.iter().map(|blob| (*blob, have(blob))).collect();
                let event = Event::Has { node: node(server as u8), haves };
                self.after(LATENCY, Action::Happen(client, event));
            }
            Action::Sent(server) => self.sent(server),
            Action::Leave(host) => {
                self.hosts[host].alive = false;
                self.hosts[host].jobs.clear();
                for other in 0..self.hosts.len() {
                    self.hosts[other].jobs.retain(|job| job.client != host);
                    let event = Event::Lost { node: node(host as u8), reason: "left".to_owned() };
                    self.after(NOTICE, Action::Happen(other, event));
                }
            }
        }
    }

    fn happen(&mut self, number: usize, event: Event) {
        let now = self.now;
        let host = &mut self.hosts[number];
        let Some(swarm) = host.swarm.as_mut().filter(|_| host.alive) else { return };
        host.checker.heard(&event);
        if let Event::Arrived { piece, .. } = &event {
            host.here.get_mut(&piece.blob).unwrap().set(piece.index);
        }
        self.trace.update(format!("{now} {number} {event:?}\n").as_bytes());
        let mut out = Vec::new();
        swarm.on_event(now, event, &mut out);
        host.checker.wanted(out.iter());
        let tick = swarm.next_tick();
        if tick != Time::FAR && tick != host.tick {
            host.tick = tick;
            self.after(tick.since(now), Action::Tick(number));
        }
        for effect in out {
            self.trace.update(format!("{effect:?}\n").as_bytes());
            self.carry_out(number, effect);
        }
    }

    fn carry_out(&mut self, client: usize, effect: Effect) {
        let server = |node: NodeId| usize::from(node.as_bytes()[0]);
        match effect {
            Effect::Request { node, request, ask } => {
                let job = Job { client, request, pieces: ask.pieces().into() };
                self.after(LATENCY, Action::Ask(server(node), job));
            }
            Effect::Cancel { request, .. } => {
                self.cancelled.insert((client, request));
            }
            Effect::Survey { node, blobs } => {
                self.after(LATENCY, Action::Survey(server(node), client, blobs));
            }
            Effect::Complete { blob } => assert!(self.hosts[client].here[&blob].is_all()),
            Effect::Done => self.hosts[client].outcome = Outcome::Done,
            Effect::Failed(_) => self.hosts[client].outcome = Outcome::Failed,
        }
    }

    /// Begins to send the next piece: the clients in turn.
    fn send(&mut self, server: usize) {
        let host = &mut self.hosts[server];
        if host.sending {
            return;
        }
        host.jobs.retain(|job| !self.cancelled.contains(&(job.client, job.request)));
        let Some(job) = host.jobs.front() else { return };
        host.sending = true;
        let piece = job.pieces[0];
        let bytes = u64::from(self.lengths[&piece.blob][piece.index as usize]);
        let time = Duration::from_micros(bytes * 1_000_000 / UPLOAD);
        self.after(time, Action::Sent(server));
    }

    fn sent(&mut self, server: usize) {
        let lost = ((self.roll() % 1_000_000) as f64) < self.loss * 1e6;
        let host = &mut self.hosts[server];
        host.sending = false;
        // Its client may have left meanwhile.
        let Some(mut job) = host.jobs.pop_front() else { return };
        let (client, request) = (job.client, job.request);
        let piece = job.pieces.pop_front().unwrap();
        let there = host.here[&piece.blob].get(piece.index) || host.liar;
        let event = if lost {
            job.pieces.clear();
            Event::Broke { request, reason: "the stream broke".to_owned() }
        } else if !there {
            Event::Lacks { request, piece }
        } else {
            host.sent += u64::from(self.lengths[&piece.blob][piece.index as usize]);
            match host.liar {
                true => Event::Wrong { request, piece },
                false => Event::Arrived { request: Some(request), piece },
            }
        };
        if !job.pieces.is_empty() {
            host.jobs.push_back(job);
        }
        self.after(LATENCY, Action::Happen(client, event));
        self.send(server);
    }
}
