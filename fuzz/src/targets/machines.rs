//! The machines that hear others: whatever is said to them, in whatever order, their tables stay bounded.

use std::sync::Arc;
use std::time::Duration;

use outlast_broker::Flops;
use outlast_gridlet::{CellOutput, CommandLine, SourceFiles, SplitHint, apps};
use outlast_job::wire::{ManifestRef, Message, ToCoordinator, ToWorker};
use outlast_job::{
    Effect, Examined, Input, JobSpec, Peer, RunEvent, RunFailure, SampleOutcome, Settings, Standing,
};
use outlast_overlay::{Card, Introduction, Membership, Message as Overlay};
use outlast_stage::bitmap::Bitmap;
use outlast_stage::swarm::{self, Event, Piece, RequestId, Swarm};
use outlast_stage::wire::Have;
use outlast_types::{Ad, Attempt, CellId, Hash, JobId, NodeId, Time, VoId, limits, wire};
use outlast_verify::{Class, Ledger, Policy};

use super::frames::{all_messages, all_overlay};
use crate::bytes::{Bytes, part};

const ME: NodeId = NodeId::from_bytes([0; 32]);
const VO: VoId = VoId::from_bytes([3; 32]);
const JOB: JobId = JobId::from_u64(7);

/// Leases that a worker may hold: its own bound (1024) and what its slots take.
const LEASES_HERE: usize = 1200;

/// When a machine's world begins.
fn start() -> Time {
    Time::from_micros(1 << 40)
}

/// The time between two events: none, some, or so much that all is over.
fn later(now: Time, bytes: &mut Bytes<'_>) -> Time {
    now + match bytes.byte() {
        0..150 => Duration::ZERO,
        255 => Duration::from_secs(1 << 20),
        some => Duration::from_millis(1 << (some % 16)),
    }
}

fn own_card() -> Card {
    Card { node: ME, addresses: Vec::new(), relay: None, incarnation: 1 }
}

/// Messages of members and of strangers.
pub(super) fn membership(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut now = start();
    let mut machine = Membership::new(own_card(), Ad::default(), Default::default(), now);
    let mut out = Vec::new();
    while !bytes.is_empty() {
        now = later(now, &mut bytes);
        let node = bytes.node();
        out.clear();
        match bytes.below(8) {
            0 => machine.on_connection_lost(now, node, &mut out),
            1 => machine.set_shared(node, vec![VO]),
            2 => machine.expel(now, node, &mut out),
            3 => machine.join(now, vec![Card { node, ..own_card() }], &mut out),
            4 => many_cards(&mut bytes, |from, message| {
                machine.on_message(now, from, message, &mut out);
            }),
            _ => {
                if let Ok(message) = wire::decode(bytes.part(), limits::FRAME_BYTES) {
                    machine.on_message(now, node, message, &mut out);
                }
            }
        }
        machine.on_tick(now, &mut out);
        assert!(machine.members().count() <= limits::MEMBERS);
        assert!(machine.members().all(|member| member.card.node != ME));
        assert!(machine.next_tick() > now || machine.next_tick() == Time::FAR, "it never rests");
        for card in machine.cards() {
            assert!(card.addresses.len() <= outlast_overlay::MAX_ADDRESSES);
        }
    }
}

/// A member that says it knows everybody.
fn many_cards(bytes: &mut Bytes<'_>, mut say: impl FnMut(NodeId, Overlay)) {
    let from = bytes.node();
    let first = u16::from(bytes.byte()) << 8;
    let card = |n: u16| {
        let [a, b] = first.wrapping_add(n).to_le_bytes();
        let node = NodeId::from_bytes([a, b, 9, 9].repeat(8).try_into().unwrap_or([0; 32]));
        Card { node, addresses: vec![([10, 0, a, b], 1).into()], relay: None, incarnation: 0 }
    };
    let me = Introduction { addresses: Vec::new(), relay: None, incarnation: 1, ad: Ad::default() };
    say(from, Overlay::Hello { me, cards: true });
    say(from, Overlay::Cards { cards: (0..u16::from(bytes.byte()) * 4).map(card).collect() });
}

pub(super) fn talks() -> Vec<Vec<u8>> {
    let frames = all_overlay().into_iter().map(|m| wire::encode(&m, limits::FRAME_BYTES));
    let frames: Vec<Vec<u8>> = frames.flatten().collect();
    let say =
        |(n, frame): (usize, &Vec<u8>)| [&[0, 1 + (n % 3) as u8, 5], &part(frame)[..]].concat();
    let all: Vec<u8> = frames.iter().enumerate().flat_map(say).collect();
    let known = [&[0, 1, 1][..], &all, &[200, 1, 4, 1, 0, 255, 0, 1, 4, 1, 1, 255]].concat();
    let mut seeds: Vec<Vec<u8>> = frames.iter().enumerate().map(say).collect();
    seeds.extend([all.clone(), known, [&all[..], &[255, 1, 0], &all].concat()]);
    seeds
}

struct NoFiles;

impl SourceFiles for NoFiles {
    fn has_program(&self, _: &str) -> bool {
        true
    }
}

/// A job of twelve cells.
fn job() -> Arc<JobSpec> {
    let command = CommandLine {
        argv: vec!["true".to_owned(), "{a}".to_owned()],
        params: vec![("a".to_owned(), "1..12".to_owned())],
        ..CommandLine::default()
    };
    let registry = apps::registry();
    let app = registry.get("sweep").expect("it comes with Outlast");
    let hint = SplitHint { slots: 2, gridlets: Some(4) };
    let manager = app.open(&command, &NoFiles, hint).expect("a good command");
    Arc::new(JobSpec {
        id: JOB,
        manager,
        manifest: ManifestRef { hash: Hash::of(b""), length: 0 },
        vo: None,
        policy: Policy { samples: 1, ..Policy::with_quorum(2) },
        layers: Vec::new(),
        trusted: Vec::new(),
        seed: 1,
        created: start(),
    })
}

/// A node with a job of its own among members that say anything; its own shell answers as it should, or fails.
pub(super) fn peer(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut now = start();
    let offer = Ad { slots: 2, cores: 2, ..Ad::default() };
    let mut peer = Peer::new(
        own_card(),
        offer,
        Settings::default(),
        Default::default(),
        Box::new(Flops),
        Ledger::new(),
        now,
    );
    let mut out = Vec::new();
    for number in 0..5 {
        let (node, standing) = (NodeId::from_bytes([number; 32]), Standing::full(VO));
        peer.handle(now, Input::Standing { node, standing }, &mut out);
    }
    let spec = job();
    let cells = spec.manager.grid().cells() as usize;
    peer.handle(now, Input::Submit(spec), &mut out);
    while !bytes.is_empty() {
        now = later(now, &mut bytes);
        let input = match bytes.below(8) {
            0 => Input::Tick,
            1 => Input::ConnectionLost(bytes.node()),
            // What its shell was asked for: answered in some order, or forgotten.
            2 | 3 => match answer(&mut out, &mut bytes) {
                Some(input) => input,
                None => Input::Tick,
            },
            4 => Input::Message { from: bytes.node(), message: guess(&mut bytes) },
            5 => match bytes.below(12) {
                0 => Input::Expelled(bytes.node()),
                1 => Input::Standing { node: bytes.node(), standing: Standing::default() },
                2 => Input::Standing { node: bytes.node(), standing: Standing::full(VO) },
                3 => Input::Pardon(bytes.node()),
                _ => Input::Tick,
            },
            _ => match wire::decode(bytes.part(), limits::FRAME_BYTES) {
                Ok(message) => Input::Message { from: bytes.node(), message },
                Err(_) => Input::Tick,
            },
        };
        peer.handle(now, input, &mut out);
        // A shell that is asked and doesn't answer has its bounds from the machine's.
        if out.len() > 4096 {
            out.drain(..2048);
        }
        let size = peer.footprint();
        assert!(size.leases_here <= LEASES_HERE && size.jobs_here <= 512, "{size:?}");
        assert!(size.leases_out <= 20 * cells && size.arrivals <= 20 * cells, "{size:?}");
        assert!(size.samples <= cells, "{size:?}");
        assert!(peer.ad().free <= 2);
    }
}

/// The answer to one of the effects.
fn answer(out: &mut Vec<Effect>, bytes: &mut Bytes<'_>) -> Option<Input> {
    let asks = |effect: &Effect| {
        matches!(
            effect,
            Effect::Fetch { .. }
                | Effect::Examine { .. }
                | Effect::Sample { .. }
                | Effect::Merge(_)
                | Effect::Stage { .. }
                | Effect::Run(_)
        )
    };
    out.retain(asks);
    if out.is_empty() {
        return None;
    }
    let effect = out.remove(usize::from(bytes.byte()) % out.len());
    let fine = bytes.below(5) > 0;
    Some(match effect {
        Effect::Fetch { job, ticket, .. } => {
            let result = if fine { Ok(()) } else { Err("gone".to_owned()) };
            Input::Fetched { job, ticket, result }
        }
        Effect::Examine { job, ticket, outputs } => {
            let class = Class(u16::from(bytes.below(3)));
            let look = |output: CellOutput| {
                let examined = match fine {
                    true => Examined::Class { class, new: class.0 == 0, refuted: false },
                    false => Examined::Invalid("nonsense".to_owned()),
                };
                (output, examined)
            };
            Input::Examined { job, ticket, results: outputs.into_iter().map(look).collect() }
        }
        Effect::Sample { job, sample } => {
            let outcome = match fine {
                true => SampleOutcome::Compared { right: vec![Class(0)], wrong: Vec::new() },
                false => SampleOutcome::Unavailable("no".to_owned()),
            };
            Input::Sampled { job, cell: sample.cell, outcome }
        }
        Effect::Merge(job) => {
            let result = if fine { Ok(Default::default()) } else { Err("full".to_owned()) };
            Input::Merged { job, result }
        }
        Effect::Stage { key, attempt, .. } => {
            let result = if fine { Ok(()) } else { Err(RunFailure::DiskFull) };
            Input::Staged { key, attempt, result }
        }
        Effect::Run(run) => {
            let cell = run.step.harvest.first().map_or(CellId(0), |harvest| harvest.cell);
            let event = match bytes.below(3) {
                0 => RunEvent::Cell(CellOutput { cell, exit: 0, files: Vec::new() }),
                1 => RunEvent::Exited { code: i32::from(!fine), tail: String::new() },
                _ => RunEvent::Failed(RunFailure::MissingProgram("true".to_owned())),
            };
            Input::Run(run.id, event)
        }
        _ => return None,
    })
}

/// A message that may well fit to what it did before.
fn guess(bytes: &mut Bytes<'_>) -> Message {
    let job = if bytes.below(8) == 0 { JobId::from_u64(bytes.number()) } else { JOB };
    let attempt = Attempt(bytes.number());
    let count = bytes.length();
    let start = bytes.number();
    let attempts = || (0..count as u64).map(|n| Attempt(start.wrapping_add(n))).collect();
    let cells = || (0..count as u32).map(|n| CellId((start as u32).wrapping_add(n)));
    match bytes.below(7) {
        0 => Message::ToCoordinator(job, ToCoordinator::Accepted { attempt }),
        1 | 2 => {
            let output = |cell| CellOutput { cell, exit: 0, files: Vec::new() };
            let outputs = cells().map(output).collect();
            Message::ToCoordinator(job, ToCoordinator::Cells { attempt, outputs })
        }
        3 => Message::ToCoordinator(job, ToCoordinator::Alive { attempts: attempts() }),
        4 => Message::ToWorker(job, ToWorker::Ack { attempt, cells: cells().collect() }),
        5 => Message::ToWorker(job, ToWorker::Revoke { attempts: attempts() }),
        _ => Message::ToWorker(job, ToWorker::Ended),
    }
}

pub(super) fn works() -> Vec<Vec<u8>> {
    let frames = all_messages().into_iter().map(|m| wire::encode(&m, limits::FRAME_BYTES));
    let frames: Vec<Vec<u8>> = frames.flatten().collect();
    let say =
        |(n, frame): (usize, &Vec<u8>)| [&[0, 6], &part(frame)[..], &[1 + (n % 4) as u8]].concat();
    let all: Vec<u8> = frames.iter().enumerate().flat_map(say).collect();
    // Members that introduce themselves, so that they get work; then answers, acknowledged and examined.
    let hello = Overlay::Hello {
        me: Introduction {
            addresses: Vec::new(),
            relay: None,
            incarnation: 1,
            ad: Ad { slots: 4, free: 4, ..Ad::default() },
        },
        cards: true,
    };
    let hello = wire::encode(&Message::Overlay(hello), limits::FRAME_BYTES).unwrap_or_default();
    let mut work = Vec::new();
    for node in 1..5 {
        work.extend([&[0, 6], &part(&hello)[..], &[node]].concat());
    }
    for round in 0..60_u8 {
        // Somebody answers some cells under some attempt; its own shell does something.
        work.extend([151, 4, 1 + round % 4, 1, round % 20, 3, round % 12, 1]);
        work.extend([0, 2, round, 1, round % 3, 0, 3, round, 2, 0]);
    }
    let mut seeds: Vec<Vec<u8>> = frames.iter().enumerate().map(say).collect();
    seeds.extend([work.clone(), all.clone(), [work, all].concat()]);
    seeds
}

/// Sources that say anything about some blobs, and do anything with requests.
pub(super) fn fetching(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let mut now = start();
    let mut swarm = Swarm::new(1);
    let (mut out, mut requests) = (Vec::new(), Vec::new());
    let mut over = false;
    while !bytes.is_empty() {
        now = later(now, &mut bytes);
        let event = event(&mut bytes, &mut requests);
        out.clear();
        swarm.on_event(now, event, &mut out);
        assert!(!over || out.is_empty(), "it goes on after its end: {out:?}");
        for effect in out.drain(..) {
            match effect {
                swarm::Effect::Request { node, request, ask } => {
                    let pieces = ask.pieces();
                    assert!((1..=64).contains(&pieces.len()), "{pieces:?}");
                    requests.push((node, request, pieces));
                }
                swarm::Effect::Cancel { request, .. } => requests.retain(|(_, r, _)| *r != request),
                swarm::Effect::Failed(failure) => {
                    assert!(!failure.to_string().is_empty());
                    over = true;
                }
                swarm::Effect::Done => assert_eq!(swarm.missing(), 0),
                _ => {}
            }
        }
        assert!(swarm.missing() > 0 || swarm.missing_bytes() == 0);
        assert!(requests.len() <= 4096, "requests that are out");
        if requests.len() > 2048 {
            requests.clear();
        }
        swarm.next_tick();
    }
}

type Out = Vec<(NodeId, RequestId, Vec<Piece>)>;

fn event(bytes: &mut Bytes<'_>, requests: &mut Out) -> Event {
    let blob = |bytes: &mut Bytes<'_>| Hash::of(&[bytes.below(4)]);
    // Mostly one that was asked for.
    let asked = |bytes: &mut Bytes<'_>, requests: &mut Out| {
        let fits = !requests.is_empty() && bytes.below(8) > 0;
        if fits {
            let index = usize::from(bytes.byte()) % requests.len();
            let (_, request, pieces) = &mut requests[index];
            let (request, piece) = (*request, pieces.pop());
            if pieces.is_empty() {
                requests.swap_remove(index);
            }
            if let Some(piece) = piece {
                return (request, piece);
            }
        }
        let piece = Piece { blob: blob(bytes), index: bytes.number() as u32 };
        (RequestId(bytes.number()), piece)
    };
    match bytes.below(10) {
        0 => {
            let count = bytes.length();
            let lengths = vec![if count < 2 { 1000 } else { 65_536 }; count];
            let here = Bitmap::none(count as u32);
            Event::Want { blob: blob(bytes), lengths, here }
        }
        1 => Event::Source { node: bytes.node(), origin: bytes.below(4) == 0 },
        2 => {
            let have = match bytes.below(3) {
                0 => Have::None,
                1 => Have::All,
                _ => Have::Some(Bitmap::all(u32::from(bytes.byte()))),
            };
            Event::Has { node: bytes.node(), haves: vec![(blob(bytes), have)] }
        }
        3 | 4 => {
            let (request, piece) = asked(bytes, requests);
            Event::Arrived { request: (bytes.below(8) > 0).then_some(request), piece }
        }
        5 => {
            let (request, piece) = asked(bytes, requests);
            Event::Wrong { request, piece }
        }
        6 => {
            let (request, piece) = asked(bytes, requests);
            Event::Lacks { request, piece }
        }
        7 => Event::Broke { request: asked(bytes, requests).0, reason: "reset".to_owned() },
        8 => Event::Lost { node: bytes.node(), reason: "gone".to_owned() },
        _ => Event::Tick,
    }
}

pub(super) fn fetches() -> Vec<Vec<u8>> {
    let mut whole = vec![0, 0, 1, 0, 0, 0, 5, 1, 0, 0, 255, 2];
    whole.extend([0, 1, 1, 0, 0, 1, 2, 1, 0, 2, 1, 2, 0, 0, 2, 1, 2, 1]);
    for round in 0..120 {
        whole.extend([151, 3, 1, round, 1]);
        if round % 10 == 0 {
            whole.extend([0, 5 + round % 3, 1, round, 0, 9, 160, 9]);
        }
    }
    let lost = [&whole[..60], &[0, 8, 1, 255, 9, 0, 1, 1, 0], &whole[60..]].concat();
    vec![whole.clone(), lost, whole[..30].to_vec()]
}
