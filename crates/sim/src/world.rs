//! The world: virtual time, the queue of what happens, and the machines to which it happens.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use outlast_job::wire::Message;
use outlast_job::{End, Input, JobKey, Peer, Phase, RunEvent, RunId};
use outlast_overlay::Card;
use outlast_types::{Attempt, Hash, JobId, NodeId, Time, limits, wire};

use crate::app::mix;
use crate::check::Checker;
use crate::dice::Dice;
use crate::host::Host;
use crate::network::Network;
use crate::scenario::{Fault, Scenario};

/// Trace lines kept for the report of a failure.
const TRACE_LINES: usize = 60;

/// Events of one world; one that needs more runs in circles.
const MAX_EVENTS: u64 = 3_000_000;

/// How often the whole is looked at: bounds, and whether all is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After the jobs' end all tables are empty again after this, also where messages got lost: a worker asks
/// every ten seconds whether a job goes on, and gives up a submitter that is gone after `orphan_ttl`.
const EMPTY_AFTER: Duration = Duration::from_secs(60);

/// Something that happens.
pub(crate) enum Event {
    Start { node: usize },
    Fault(Fault),
    Die { node: usize, life: u64 },
    Heal { from: Vec<usize>, to: Vec<usize>, both: bool },
    Room { node: usize },
    Calm,
    Submit { job: usize },
    Frame { from: usize, to: usize, frame: Vec<u8> },
    Lost { node: usize, of: usize },
    Tick { node: usize, life: u64 },
    Fuzz { node: usize, life: u64 },
    Input { node: usize, life: u64, input: Box<Input> },
    Examine { node: usize, life: u64 },
    Sampled { node: usize, life: u64, job: JobId, sample: Box<outlast_gridlet::Sample> },
    Run { node: usize, life: u64, run: RunId, event: RunEvent },
    Staged { node: usize, life: u64, key: JobKey, attempt: Attempt, number: u64 },
    Expelled { node: usize, who: outlast_types::NodeId },
    Fetched { node: usize, life: u64, job: JobId, ticket: u64, from: usize, blobs: Vec<Hash> },
    Merge { node: usize, life: u64, job: JobId },
    Look,
}

struct Due {
    at: Time,
    number: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Due {
    fn key(&self) -> (Time, u64) {
        (self.at, self.number)
    }
}

/// How a world went.
#[derive(Debug)]
pub struct Outcome {
    /// What should never have happened, if it did.
    pub violation: Option<String>,
    /// Of all that happened: the same seed gives the same.
    pub hash: u64,
    /// Events.
    pub events: u64,
    /// How long it took, in virtual time.
    pub took: Duration,
    /// The last lines of the trace, if it was asked for.
    pub trace: Vec<String>,
    /// Totals, to see that a scenario does what it is meant to do.
    pub tally: Tally,
}

/// Totals over the jobs of a world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Jobs that are done.
    pub done: u64,
    /// Answers rejected.
    pub rejected: u64,
    /// Answers under leases that were over.
    pub late: u64,
    /// Answers that came twice.
    pub duplicates: u64,
    /// Leases that ended since their worker was gone.
    pub expired: u64,
    /// Leases beside slow ones.
    pub rivals: u64,
    /// Frames that were lost.
    pub lost: u64,
    /// Crashes in the middle of carrying out effects.
    pub crashes: u64,
}

/// See the module.
pub struct World {
    pub(crate) now: Time,
    number: u64,
    queue: BinaryHeap<Reverse<Due>>,
    pub(crate) dice: Dice,
    pub(crate) hosts: Vec<Host>,
    pub(crate) index: BTreeMap<NodeId, usize>,
    pub(crate) network: Network,
    pub(crate) check: Checker,
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) jobs: Vec<JobId>,
    pub(crate) tally: Tally,
    calm: bool,
    ended_at: Option<Time>,
    over: bool,
    events: u64,
    hash: u64,
    tracing: bool,
    trace: VecDeque<String>,
}

impl World {
    /// The world of this scenario and seed, before anything happened. `tracing` keeps the last lines of what happens.
    pub fn new(scenario: Scenario, seed: u64, tracing: bool) -> Self {
        let mut dice = Dice::new(seed, 1);
        let hosts: Vec<Host> = (0u64..)
            .zip(&scenario.nodes)
            .map(|(n, plan)| Host::new(name(seed, n), plan.clone()))
            .collect();
        let index = hosts.iter().enumerate().map(|(i, host)| (host.id, i)).collect();
        let jobs = scenario.jobs.iter().map(|_| JobId::from_u64(dice.number())).collect();
        let mut world = Self {
            now: Time::ZERO,
            number: 0,
            queue: BinaryHeap::new(),
            dice,
            network: Network::new(scenario.link, scenario.links.clone()),
            check: Checker::new(scenario.right),
            hosts,
            index,
            jobs,
            tally: Tally::default(),
            calm: false,
            ended_at: None,
            over: false,
            events: 0,
            hash: seed,
            tracing,
            trace: VecDeque::new(),
            scenario: Arc::new(scenario),
        };
        let scenario = world.scenario.clone();
        for (node, plan) in scenario.nodes.iter().enumerate() {
            world.at(plan.joins, Event::Start { node });
        }
        for (job, plan) in scenario.jobs.iter().enumerate() {
            world.at(plan.at, Event::Submit { job });
        }
        for (at, fault) in &scenario.faults {
            world.at(*at, Event::Fault(fault.clone()));
        }
        world.at(scenario.calm, Event::Calm);
        world.at(LOOK_EVERY, Event::Look);
        world
    }

    /// Runs it to its end, or to the first violation.
    pub fn run(mut self) -> Outcome {
        while let Some(Reverse(due)) = self.queue.pop() {
            if self.over || self.check.violation().is_some() {
                break;
            }
            self.now = due.at;
            self.events += 1;
            self.note(self.now.as_micros());
            if self.events > MAX_EVENTS {
                self.check.fail(format!("more than {MAX_EVENTS} events"));
            }
            self.happen(due.event);
        }
        for (_, job) in self.hosts.iter().filter_map(|h| h.peer.as_ref()).flat_map(Peer::jobs) {
            let report = job.report(self.now);
            self.tally.done += u64::from(matches!(report.phase, Phase::Ended(End::Done(_))));
            self.tally.rejected += report.rejected;
            self.tally.late += report.late;
            self.tally.duplicates += report.duplicates;
            self.tally.expired += report.expired;
            self.tally.rivals += report.rivals;
        }
        Outcome {
            violation: self.check.violation().map(str::to_owned),
            hash: self.hash,
            events: self.events,
            took: self.now.since(Time::ZERO),
            trace: self.trace.into(),
            tally: self.tally,
        }
    }

    pub(crate) fn at(&mut self, delay: Duration, event: Event) {
        self.number += 1;
        let due = Due { at: self.now + delay, number: self.number, event };
        self.queue.push(Reverse(due));
    }

    /// Mixes something that happened into the trace's hash.
    pub(crate) fn note(&mut self, what: u64) {
        self.hash = mix(self.hash.rotate_left(5) ^ what);
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        if self.tracing {
            if self.trace.len() >= TRACE_LINES {
                self.trace.pop_front();
            }
            self.trace.push_back(format!("{} {}", self.now, line()));
        }
    }

    fn lives(&self, node: usize, life: u64) -> bool {
        let host = &self.hosts[node];
        host.life == life && host.peer.is_some()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start { node } => self.start(node),
            Event::Fault(fault) => self.strike(fault),
            Event::Die { node, life }
                if self.lives(node, life) && self.hosts[node].doom.is_some() =>
            {
                self.die(node);
            }
            Event::Heal { from, to, both } => self.cut(&from, &to, both, false),
            Event::Room { node } => self.hosts[node].no_room = false,
            Event::Calm => {
                self.calm = true;
                self.network.calm();
            }
            Event::Submit { job } => self.submit(job),
            Event::Frame { from, to, frame } => self.hear(from, to, &frame),
            Event::Lost { node, of } if self.hosts[node].peer.is_some() => {
                let of = self.hosts[of].id;
                self.input(node, Input::ConnectionLost(of));
            }
            Event::Tick { node, life } => self.tick(node, life),
            Event::Fuzz { node, life } if self.lives(node, life) => self.fuzz(node),
            Event::Input { node, life, input } if self.lives(node, life) => {
                self.input(node, *input);
            }
            Event::Examine { node, life } if self.lives(node, life) => {
                if let Some(input) = self.hosts[node].look_at_next() {
                    self.later(node, Duration::from_micros(50), input);
                }
            }
            Event::Sampled { node, life, job, sample } if self.lives(node, life) => {
                self.on_sampled(node, job, *sample);
            }
            Event::Run { node, life, run, event } if self.lives(node, life) => {
                self.on_run(node, run, event);
            }
            Event::Staged { node, life, key, attempt, number } if self.lives(node, life) => {
                self.on_staged(node, key, attempt, number);
            }
            Event::Expelled { node, who } => {
                self.hosts[node].barred.insert(who);
                if self.hosts[node].peer.is_some() {
                    self.input(node, Input::Expelled(who));
                }
            }
            Event::Fetched { node, life, job, ticket, from, blobs } if self.lives(node, life) => {
                self.on_fetched(node, job, ticket, from, &blobs);
            }
            Event::Merge { node, life, job } if self.lives(node, life) => {
                self.on_merge(node, job);
            }
            Event::Look => self.look(),
            // What belongs to an earlier life.
            _ => {}
        }
    }

    /// Lets a machine's peer hear something, and does what it wants done.
    pub(crate) fn input(&mut self, node: usize, input: Input) {
        let now = self.now;
        let Some(peer) = self.hosts[node].peer.as_mut() else { return };
        let ticked = matches!(input, Input::Tick);
        let mut effects = Vec::new();
        peer.handle(now, input, &mut effects);
        let next = peer.next_tick();
        if ticked && next <= now {
            self.check.fail(format!("node {node} wants the next tick at once: it would spin"));
        }
        self.carry_out(node, effects);
        self.plan_tick(node, next);
    }

    /// The daemon sleeps until the next tick and computes it anew after each event; so does this.
    fn plan_tick(&mut self, node: usize, next: Time) {
        let next = next.max(self.now + Duration::from_micros(1));
        let host = &mut self.hosts[node];
        if next < host.tick || host.tick <= self.now {
            host.tick = next;
            let (life, wait) = (host.life, next.since(self.now));
            if next < Time::FAR {
                self.at(wait, Event::Tick { node, life });
            }
        }
    }

    fn tick(&mut self, node: usize, life: u64) {
        let now = self.now;
        if !self.lives(node, life) || self.hosts[node].tick != now {
            return;
        }
        let Some(peer) = self.hosts[node].peer.as_ref() else { return };
        let next = peer.next_tick();
        if next <= now {
            self.input(node, Input::Tick);
        } else {
            self.plan_tick(node, next);
        }
    }

    fn hear(&mut self, from: usize, to: usize, frame: &[u8]) {
        let barred = self.hosts[to].barred.contains(&self.hosts[from].id);
        if self.hosts[to].peer.is_none() || self.network.is_cut(from, to) || barred {
            return;
        }
        self.note(frame.iter().fold(frame.len() as u64, |h, &b| h.rotate_left(7) ^ u64::from(b)));
        match wire::decode::<Message>(frame, limits::FRAME_BYTES) {
            Ok(message) => {
                if !matches!(message, Message::Overlay(_)) {
                    self.say(|| format!("{from} → {to}: {}", brief(&message)));
                }
                let from = self.hosts[from].id;
                self.input(to, Input::Message { from, message });
            }
            Err(error) => self.check.fail(format!("a frame that can't be read: {error}")),
        }
    }

    /// Puts a frame on its way.
    pub(crate) fn post(&mut self, from: usize, to: usize, frame: Vec<u8>) {
        let [first, second] = self.network.carry(from, to, &mut self.dice);
        self.tally.lost += u64::from(first.is_none());
        if let Some(delay) = second {
            self.at(delay, Event::Frame { from, to, frame: frame.clone() });
        }
        if let Some(delay) = first {
            self.at(delay, Event::Frame { from, to, frame });
        }
    }

    /// Looks at the whole.
    fn look(&mut self) {
        self.bounds();
        self.retry_unwritten();
        let ended = self.jobs.iter().zip(&self.scenario.jobs).all(|(id, plan)| {
            let peer = self.hosts[plan.submitter].peer.as_ref();
            let phase = peer.and_then(|peer| peer.job(*id)).map(outlast_job::Coordinator::phase);
            matches!(phase, Some(Phase::Ended(end)) if !matches!(end, End::Unwritten(_)))
        });
        let deadline = Time::ZERO + self.scenario.calm + self.scenario.within;
        if ended && self.calm {
            let since = *self.ended_at.get_or_insert(self.now);
            if self.is_empty() {
                self.verdict();
                self.over = true;
                return;
            }
            if self.now.since(since) > EMPTY_AFTER {
                let left = self.leftovers();
                self.check.fail(format!("all jobs have ended, and there is left: {left}"));
            }
        } else if self.now > deadline && !ended {
            let state = self.unfinished();
            self.check.fail(format!("jobs that don't end: {state}"));
        }
        self.at(LOOK_EVERY, Event::Look);
    }
}

/// The key of a node. Random, so that no order of nodes is favoured.
fn name(seed: u64, n: u64) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&mix(seed ^ mix(n + 1)).to_le_bytes());
    bytes[8..16].copy_from_slice(&n.to_le_bytes());
    NodeId::from_bytes(bytes)
}

pub(crate) fn card(node: NodeId, incarnation: u64) -> Card {
    Card { node, addresses: Vec::new(), relay: None, incarnation }
}

/// A message in a line.
pub(crate) fn brief(message: &dyn fmt::Debug) -> String {
    let mut text = format!("{message:?}");
    if text.len() > 300 {
        let end = (0..=300).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.done += other.done;
        self.rejected += other.rejected;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.expired += other.expired;
        self.rivals += other.rivals;
        self.lost += other.lost;
        self.crashes += other.crashes;
    }
}
