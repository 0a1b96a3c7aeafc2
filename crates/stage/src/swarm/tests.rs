mod world;

use proptest::prelude::*;

use super::*;
use crate::bitmap::Bitmap;
use world::{Outcome, World};

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn blob(number: u32) -> Hash {
    Hash::of(&number.to_le_bytes())
}

fn at(ms: u64) -> Time {
    Time::from_micros(1_000_000_000 + ms * 1000)
}

fn want(number: u32, lengths: &[u32]) -> Event {
    let here = Bitmap::none(lengths.len() as u32);
    Event::Want { blob: blob(number), lengths: lengths.to_vec(), here }
}

fn source(number: u8, origin: bool) -> Event {
    Event::Source { node: node(number), origin }
}

fn has(number: u8, blobs: u32, have: Have) -> Event {
    Event::Has { node: node(number), haves: vec![(blob(blobs), have)] }
}

/// A machine with what it wanted done.
struct Rig {
    swarm: Swarm,
    now: Time,
    out: Vec<Effect>,
}

impl Rig {
    fn new() -> Self {
        Self { swarm: Swarm::new(7), now: at(0), out: Vec::new() }
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.now = at(ms);
        self
    }

    fn on(&mut self, event: Event) -> &mut Self {
        self.swarm.on_event(self.now, event, &mut self.out);
        self
    }

    fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.out)
    }

    /// The requests made: of whom, which, for what.
    fn requests(&mut self) -> Vec<(NodeId, RequestId, Vec<Piece>)> {
        let request = |effect| match effect {
            Effect::Request { node, request, ask } => Some((node, request, ask.pieces())),
            _ => None,
        };
        self.take().into_iter().filter_map(request).collect()
    }

    /// Ticks when it wants to, until the time.
    fn until(&mut self, ms: u64) -> &mut Self {
        loop {
            let next = self.swarm.next_tick();
            assert!(next > self.now);
            if next > at(ms) {
                return self.at(ms);
            }
            self.now = next;
            self.on(Event::Tick);
        }
    }
}

#[test]
fn nothing_to_fetch_is_done_at_once() {
    let mut rig = Rig::new();
    rig.on(want(1, &[]));
    assert_eq!(rig.take(), [Effect::Complete { blob: blob(1) }, Effect::Done]);
    let here = Bitmap::all(2);
    rig.on(Event::Want { blob: blob(2), lengths: vec![5, 5], here });
    assert_eq!(rig.take(), [Effect::Complete { blob: blob(2) }, Effect::Done]);
    assert_eq!(rig.swarm.next_tick(), Time::FAR);
}

#[test]
fn what_is_here_is_not_asked_for_and_what_arrives_completes() {
    let mut rig = Rig::new();
    let mut here = Bitmap::none(3);
    here.set(1);
    rig.on(source(1, true));
    rig.on(Event::Want { blob: blob(1), lengths: vec![9, 9, 9], here });
    let [(to, request, pieces)] = rig.requests().try_into().unwrap();
    let piece = |index| Piece { blob: blob(1), index };
    assert_eq!((to, pieces), (node(1), vec![piece(0), piece(2)]));
    rig.on(Event::Arrived { request: Some(request), piece: piece(2) });
    assert_eq!(rig.take(), []);
    rig.on(Event::Arrived { request: Some(request), piece: piece(0) });
    assert_eq!(rig.take(), [Effect::Complete { blob: blob(1) }, Effect::Done]);
    // Once more, or for something that nobody wants: nothing.
    rig.on(Event::Arrived { request: Some(request), piece: piece(0) });
    rig.on(Event::Arrived { request: None, piece: Piece { blob: blob(1), index: 3 } });
    rig.on(Event::Arrived { request: None, piece: Piece { blob: blob(9), index: 0 } });
    assert_eq!(rig.take(), []);
}

#[test]
fn small_blobs_share_requests_and_join_later() {
    let mut rig = Rig::new();
    for number in 0..100 {
        rig.on(want(number, &[1000]));
    }
    rig.on(want(1000, &[60_000; 4]));
    rig.on(source(1, true));
    let mut sizes: Vec<usize> = rig.requests().iter().map(|(_, _, p)| p.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [4, 36, 64]);
    // It joins a unit that isn't the last one.
    rig.on(want(100, &[1000]));
    let [(_, _, pieces)] = rig.requests().try_into().unwrap();
    assert_eq!(pieces, [Piece { blob: blob(100), index: 0 }]);
}

#[test]
fn other_holders_come_before_the_origin() {
    let mut rig = Rig::new();
    rig.on(source(2, false)).on(want(1, &[1 << 18; 8]));
    rig.on(has(2, 1, Have::All)).on(source(1, true));
    let asked: Vec<NodeId> = rig.requests().into_iter().map(|(node, ..)| node).collect();
    assert_eq!(asked, [node(2), node(2)]);
}

#[test]
fn the_origin_helps_while_others_are_slow() {
    let mut rig = Rig::new();
    rig.on(source(2, false)).on(want(1, &[1 << 18; 16]));
    rig.on(has(2, 1, Have::All)).on(source(1, true));
    let asked: Vec<NodeId> = rig.requests().into_iter().map(|(node, ..)| node).collect();
    assert_eq!(asked, [node(2), node(2), node(1)]);
}

#[test]
fn the_rarest_comes_first() {
    let some = |range: std::ops::Range<u32>| {
        let mut bitmap = Bitmap::none(12);
        range.for_each(|index| assert!(bitmap.set(index)));
        Have::Some(bitmap)
    };
    let mut rig = Rig::new();
    rig.on(want(1, &[1 << 18; 12]));
    rig.on(source(3, false)).on(source(4, false));
    rig.on(has(3, 1, some(0..8))).on(has(4, 1, some(0..4)));
    let mut asked = rig.requests();
    // Only one has the second unit, so it comes first; the first is left to the other.
    asked.sort_by_key(|request| request.1);
    let order: Vec<_> = asked.iter().map(|(node, _, pieces)| (*node, pieces[0].index)).collect();
    assert_eq!(order, [(node(3), 4), (node(3), 0)]);
}

#[test]
fn a_wrong_piece_strikes_its_sender_out_for_good() {
    let mut rig = Rig::new();
    rig.on(source(2, false)).on(want(1, &[1 << 18; 8])).on(has(2, 1, Have::All));
    let requests = rig.requests();
    let (_, request, pieces) = requests[0].clone();
    rig.on(Event::Wrong { request, piece: pieces[0] });
    let cancelled = requests.iter().map(|r| Effect::Cancel { node: node(2), request: r.1 });
    assert_eq!(rig.take(), cancelled.collect::<Vec<_>>());
    rig.on(source(2, false)).on(has(2, 1, Have::All)).on(Event::Tick);
    assert_eq!(rig.take(), []);
    rig.on(source(1, true));
    assert_eq!(rig.requests().len(), 2);
}

#[test]
fn a_source_that_stalls_is_left_alone_and_what_it_owes_asked_elsewhere() {
    let mut rig = Rig::new();
    rig.on(source(2, false)).on(want(1, &[1 << 18; 4])).on(has(2, 1, Have::All));
    let [(_, request, _)] = rig.requests().try_into().unwrap();
    rig.until(9_999);
    assert!(!rig.out.contains(&Effect::Cancel { node: node(2), request }));
    rig.until(10_000);
    assert!(rig.out.contains(&Effect::Cancel { node: node(2), request }));
    rig.take();
    rig.on(source(1, true));
    assert_eq!(rig.requests()[0].0, node(1));
}

#[test]
fn a_source_that_fails_is_asked_less_and_less_and_then_given_up() {
    let mut rig = Rig::new();
    rig.on(source(1, true)).on(want(1, &[1000]));
    let mut asked = Vec::new();
    for _ in 0..FAILURES {
        while rig.out.is_empty() {
            let next = rig.swarm.next_tick();
            rig.now = next;
            rig.on(Event::Tick);
        }
        let [(_, request, _)] = rig.requests().try_into().unwrap();
        asked.push(rig.now.since(at(0)).as_millis());
        rig.on(Event::Broke { request, reason: "refused the stream".to_owned() });
    }
    assert_eq!(asked, [0, 500, 1500, 3500, 7500, 15500]);
    assert_eq!(rig.take(), []);
    rig.until(15_500 + 9_999);
    assert_eq!(rig.take(), []);
    rig.until(15_500 + 10_000);
    let [Effect::Failed(failure)] = &rig.take()[..] else { panic!("it gives up") };
    let text = "1000 bytes in 1 pieces couldn't be fetched: nobody is left to ask; \
                the submitter 0101010101 refused the stream";
    assert_eq!(failure.to_string(), text);
    assert_eq!(rig.swarm.next_tick(), Time::FAR);
}

#[test]
fn streams_that_break_together_are_one_trouble() {
    let mut rig = Rig::new();
    rig.on(source(1, true));
    for number in 0..2 {
        rig.on(want(number, &[1 << 18; 4]));
    }
    let requests = rig.requests();
    assert_eq!(requests.len(), 2);
    for (_, request, _) in requests {
        rig.on(Event::Broke { request, reason: "lost".to_owned() });
    }
    rig.until(499);
    assert_eq!(rig.requests().len(), 0);
    rig.until(500);
    assert_eq!(rig.requests().len(), 2);
}

#[test]
fn what_a_source_lacks_is_asked_elsewhere_and_not_of_it() {
    let mut rig = Rig::new();
    rig.on(source(2, false)).on(want(1, &[1000, 1000])).on(has(2, 1, Have::All));
    let [(_, request, pieces)] = rig.requests().try_into().unwrap();
    rig.on(Event::Lacks { request, piece: pieces[0] });
    rig.on(Event::Arrived { request: Some(request), piece: pieces[1] });
    assert_eq!(rig.take(), []);
    rig.on(source(1, true));
    let [(to, _, asked)] = rig.requests().try_into().unwrap();
    assert_eq!((to, asked), (node(1), vec![pieces[0]]));
}

#[test]
fn the_last_pieces_are_asked_of_a_second_source_and_the_slower_is_cancelled() {
    let mut rig = Rig::new();
    rig.on(source(2, false)).on(want(1, &[1000])).on(has(2, 1, Have::All));
    let [(_, slow, pieces)] = rig.requests().try_into().unwrap();
    rig.on(source(3, false)).on(has(3, 1, Have::All));
    rig.until(999);
    assert_eq!(rig.requests(), []);
    rig.until(1000);
    let [(to, fast, again)] = rig.requests().try_into().unwrap();
    assert_eq!((to, &again), (node(3), &pieces));
    rig.on(Event::Arrived { request: Some(fast), piece: pieces[0] });
    let cancel = Effect::Cancel { node: node(2), request: slow };
    assert_eq!(rig.take(), [cancel, Effect::Complete { blob: blob(1) }, Effect::Done]);
}

#[test]
fn more_than_the_tables_hold_is_refused_in_words() {
    let mut rig = Rig::new();
    rig.on(want(1, &[crate::chunks::MAX_BYTES + 1]));
    let [Effect::Failed(failure)] = &rig.take()[..] else { panic!("it can't be fetched") };
    assert_eq!(failure.cause, Cause::TooMuch);
}

#[test]
fn the_origin_sends_about_one_copy_to_a_grid() {
    for seed in 0..3 {
        let mut world = World::new(seed, 8);
        world.wants(&[64 << 20]);
        let end = world.run();
        assert!(world.all(Outcome::Done), "seed {seed}");
        let copies = world.copies();
        assert!(copies < 2.0, "seed {seed}: the origin sent {copies:.2} copies");
        // Each sends 8 MiB/s: alone the origin would take 64 s.
        assert!(end.since(Time::ZERO).as_secs() < 20, "seed {seed}: {end}");
    }
}

#[test]
fn small_files_are_exchanged_too() {
    let mut world = World::new(1, 6);
    world.wants(&[3000; 3000]);
    world.run();
    assert!(world.all(Outcome::Done));
    assert!(world.copies() < 3.0, "{:.2} copies", world.copies());
}

#[test]
fn losses_liars_and_leavers_keep_nobody_from_the_end() {
    for seed in 0..6 {
        let mut world = World::new(seed, 8);
        world.loss = 0.01;
        world.liars(&[2, 5]);
        world.leaves(3, 2.0);
        world.leaves(6, 3.5);
        world.wants(&[16 << 20, 5_000_000, 700_000, 10, 10, 300_000]);
        world.run();
        assert!(world.all(Outcome::Done), "seed {seed}");
    }
}

#[test]
fn who_loses_the_origin_finishes_from_others_or_says_why_not() {
    let mut early = World::new(1, 4);
    early.wants(&[32 << 20]);
    early.leaves(0, 1.0);
    early.run();
    assert!(early.all(Outcome::Failed));
    let mut late = World::new(1, 4);
    late.wants(&[32 << 20]);
    late.leaves(0, 9.0);
    late.run();
    assert!(late.all(Outcome::Done));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = |seed| {
        let mut world = World::new(seed, 5);
        world.loss = 0.02;
        world.liars(&[4]);
        world.leaves(2, 1.0);
        world.wants(&[8 << 20, 3000, 3000, 900_000]);
        world.run();
        world.trace.finalize().to_hex().to_string()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

fn any_event() -> impl Strategy<Value = Event> {
    let who = (0u8..5).prop_map(node);
    let request = (0u64..40).prop_map(RequestId);
    let piece = (0u32..6, 0u32..70).prop_map(|(b, index)| Piece { blob: blob(b), index });
    let have = prop_oneof![
        Just(Have::None),
        Just(Have::All),
        prop::collection::vec(any::<u8>(), 1..9)
            .prop_map(|b| Have::Some(Bitmap::from_bytes(8 * b.len() as u32, b).unwrap())),
    ];
    let lengths = prop::collection::vec(1u32..=crate::chunks::MAX_BYTES, 0..70);
    let reason = Just("broke".to_owned());
    prop_oneof![
        2 => (0u32..6, lengths).prop_map(|(b, lengths)| want(b, &lengths)),
        2 => (who.clone(), any::<bool>())
            .prop_map(|(node, origin)| Event::Source { node, origin }),
        3 => (who.clone(), 0u32..6, have)
            .prop_map(|(node, b, have)| Event::Has { node, haves: vec![(blob(b), have)] }),
        6 => (prop::option::of(request.clone()), piece.clone())
            .prop_map(|(request, piece)| Event::Arrived { request, piece }),
        1 => (request.clone(), piece.clone())
            .prop_map(|(request, piece)| Event::Wrong { request, piece }),
        2 => (request.clone(), piece).prop_map(|(request, piece)| Event::Lacks { request, piece }),
        2 => (request, reason.clone())
            .prop_map(|(request, reason)| Event::Broke { request, reason }),
        1 => (who, reason).prop_map(|(node, reason)| Event::Lost { node, reason }),
        2 => Just(Event::Tick),
    ]
}

proptest! {
    /// Any events in any order: the checker in `world` watches what comes out.
    #[test]
    fn whatever_happens_the_bounds_hold(
        events in prop::collection::vec((0u64..3000, any_event()), 1..120)
    ) {
        let mut rig = Rig::new();
        let mut checker = world::Checker::default();
        let mut now = 0;
        for (pause, event) in events {
            now += pause;
            rig.at(now);
            checker.heard(&event);
            rig.on(event);
            checker.wanted(rig.take().iter());
            prop_assert!(rig.swarm.next_tick() > rig.now);
            let in_flight: u64 = rig.swarm.sources.values().map(|s| s.in_flight).sum();
            let owed: u64 =
                rig.swarm.requests.values().map(|r| rig.swarm.units.bytes_of(r.unit, r.owed)).sum();
            prop_assert_eq!(in_flight, owed);
        }
    }

    #[test]
    fn whoever_fetches_from_a_living_origin_gets_it(
        seed: u64,
        nodes in 1usize..5,
        loss in 0.0f64..0.03,
        liar in prop::option::of(1usize..5),
        leaver in prop::option::of((1usize..5, 0.0f64..4.0)),
        sizes in prop::collection::vec(1u64..3_000_000, 1..8),
    ) {
        let mut world = World::new(seed, nodes);
        world.loss = loss;
        world.liars(&liar.filter(|&l| l < nodes).into_iter().collect::<Vec<_>>());
        if let Some((leaver, when)) = leaver.filter(|l| l.0 < nodes) {
            world.leaves(leaver, when);
        }
        world.wants(&sizes);
        world.run();
        prop_assert!(world.all(Outcome::Done));
    }
}
