//! How fast the state machines are: jobs without processes, files or a network, as fast as one thread can.
//!
//! ```text
//! scheduling ATOMS GRIDLETS WORKERS QUORUM
//! ```
//!
//! A sweep of so many atoms (a cell each) in so many gridlets goes through real [`Peer`]s: all of the
//! coordinator's and the workers' thinking, and with more than 0 workers every frame through its codec. What the
//! daemon does around them (runs, checks, journal) is answered at once. Prints names and values, one pair a line.

// A tool for the terminal: printing is its purpose.
#![allow(clippy::print_stdout)]

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outlast_gridlet::{Application as _, CommandLine, Merged, SourceFiles, SplitHint, apps};
use outlast_job::wire::{ManifestRef, Message};
use outlast_job::{Effect, Examined, Input, JobSpec, Peer, Record, RunEvent, Settings, Standing};
use outlast_overlay::Card;
use outlast_types::{Ad, CellId, Hash, JobId, NodeId, Time, VoId, limits, wire};
use outlast_verify::{Class, Ledger, Policy};

/// Slots of each node that works.
const SLOTS: u32 = 4;

/// No files: the program is named by its path.
struct NoFiles;

impl SourceFiles for NoFiles {
    fn has_program(&self, _: &str) -> bool {
        true
    }
}

/// All nodes, and what is on its way between them.
struct World {
    now: Time,
    peers: Vec<Peer>,
    inbox: VecDeque<(usize, Input)>,
    frames: u64,
    frame_bytes: u64,
    records: u64,
    record_bytes: u64,
    answered: BTreeSet<CellId>,
    ended: bool,
}

fn node(index: usize) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(index as u64 + 1).to_be_bytes());
    NodeId::from_bytes(bytes)
}

fn card(index: usize) -> Card {
    Card { node: node(index), addresses: Vec::new(), relay: None, incarnation: 1 }
}

impl World {
    fn new(workers: usize) -> Self {
        let now = Time::from_micros(1_000_000);
        let peers = (0..=workers).map(|index| {
            // Alone it works itself; otherwise it only submits.
            let slots = if workers == 0 || index > 0 { SLOTS } else { 0 };
            let offer = Ad { name: index.to_string(), slots, cores: SLOTS, ..Ad::default() };
            let overlay = outlast_overlay::Settings::default();
            let placement = Box::new(outlast_broker::Flops);
            let (card, settings) = (card(index), Settings::default());
            let mut peer = Peer::new(card, offer, settings, overlay, placement, Ledger::new(), now);
            for other in (0..=workers).map(node) {
                let standing = Standing::full(VoId::from_bytes([1; 32]));
                peer.handle(now, Input::Standing { node: other, standing }, &mut Vec::new());
            }
            peer
        });
        Self {
            now,
            peers: peers.collect(),
            inbox: VecDeque::new(),
            frames: 0,
            frame_bytes: 0,
            records: 0,
            record_bytes: 0,
            answered: BTreeSet::new(),
            ended: false,
        }
    }

    /// Until nothing is left to say; then the time goes on to the next tick.
    fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let mut effects = Vec::new();
        while !done(self) {
            let Some((index, input)) = self.inbox.pop_front() else {
                self.now = self.peers.iter().map(Peer::next_tick).min().unwrap_or(self.now);
                for index in 0..self.peers.len() {
                    if self.peers[index].next_tick() <= self.now {
                        self.inbox.push_back((index, Input::Tick));
                    }
                }
                continue;
            };
            self.now += Duration::from_micros(1);
            self.peers[index].handle(self.now, input, &mut effects);
            for effect in effects.drain(..) {
                self.carry_out(index, effect);
            }
        }
    }

    fn tell(&mut self, index: usize, input: Input) {
        self.inbox.push_back((index, input));
    }

    /// Does at once what the daemon does.
    fn carry_out(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Send { to, message } => {
                let frame = wire::encode(&message, limits::FRAME_BYTES)
                    .expect("frames fit by construction");
                self.frames += 1;
                self.frame_bytes += frame.len() as u64;
                let message: Message =
                    wire::decode(&frame, limits::FRAME_BYTES).expect("it was encoded just now");
                let from = self.peers[index].me();
                let to = self.peers.iter().position(|peer| peer.me() == to);
                if let Some(to) = to {
                    self.tell(to, Input::Message { from, message });
                }
            }
            Effect::Stage { key, attempt, .. } => {
                self.tell(index, Input::Staged { key, attempt, result: Ok(()) });
            }
            Effect::Run(run) => {
                for harvest in &run.step.harvest {
                    let cell = harvest.cell;
                    let output = outlast_gridlet::CellOutput { cell, exit: 0, files: Vec::new() };
                    self.tell(index, Input::Run(run.id, RunEvent::Cell(output)));
                }
                let ended = RunEvent::Exited { code: 0, tail: String::new() };
                self.tell(index, Input::Run(run.id, ended));
            }
            Effect::Examine { job, ticket, outputs } => {
                // All say the same; a cell's first answer is the one that is kept.
                let results = outputs.into_iter().map(|output| {
                    let new = self.answered.insert(output.cell);
                    (output, Examined::Class { class: Class(0), new, refuted: false })
                });
                let results = results.collect();
                self.tell(index, Input::Examined { job, ticket, results });
            }
            Effect::Merge(job) => {
                self.tell(index, Input::Merged { job, result: Ok(Merged::default()) });
            }
            Effect::Journal { record, .. } => self.note(&record),
            Effect::Ended(_) => self.ended = true,
            _ => {}
        }
    }

    fn note(&mut self, record: &Record) {
        let bytes = wire::encode(record, limits::FRAME_BYTES).expect("records fit into frames");
        self.records += 1;
        self.record_bytes += bytes.len() as u64;
    }
}

/// A line of `/proc/self/status` in KiB.
fn memory_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim_matches([':', ' ', '\t', 'k', 'B']).parse().ok()).unwrap_or(0)
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let [atoms, gridlets, workers, quorum] = numbers[..] else {
        println!("usage: scheduling ATOMS GRIDLETS WORKERS QUORUM");
        std::process::exit(2);
    };
    let before = memory_kib("VmRSS");
    let mut world = World::new(workers);
    for index in 1..=workers {
        world.tell(index, Input::Join(vec![card(0)]));
    }
    world.run_until(|world| {
        world.peers[0].membership().members().filter(|member| member.ad.slots > 0).count()
            == workers
    });

    let start = Instant::now();
    let command = CommandLine {
        argv: ["/bin/true", "{i}"].map(str::to_owned).into(),
        params: vec![("i".to_owned(), format!("1..{atoms}"))],
        ..CommandLine::default()
    };
    let hint = SplitHint { slots: SLOTS, gridlets: u32::try_from(gridlets).ok() };
    let manager =
        apps::sweep::Sweep.open(&command, &NoFiles, hint).expect("the command above is a sweep");
    let gridlets = manager.gridlets().len();
    let spec = JobSpec {
        id: JobId::from_u64(1),
        manager,
        manifest: ManifestRef { hash: Hash::of(b""), length: 0 },
        vo: None,
        policy: Policy {
            samples: 0,
            ..Policy::with_quorum(u8::try_from(quorum).unwrap_or(u8::MAX))
        },
        layers: Vec::new(),
        trusted: Vec::new(),
        seed: 1,
        created: world.now,
    };
    world.tell(0, Input::Submit(Arc::new(spec)));
    world.run_until(|world| world.ended);
    let seconds = start.elapsed().as_secs_f64();

    println!("gridlets {gridlets}");
    println!("seconds {seconds:.3}");
    println!("gridlets_per_second {:.0}", gridlets as f64 / seconds);
    println!("atoms_per_second {:.0}", atoms as f64 / seconds);
    println!("frames {}", world.frames);
    println!("frame_bytes {}", world.frame_bytes);
    println!("records {}", world.records);
    println!("record_bytes {}", world.record_bytes);
    println!("rss_before_kib {before}");
    println!("peak_rss_kib {}", memory_kib("VmHWM"));
}
