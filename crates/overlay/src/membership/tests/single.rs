//! What one machine makes of what it hears.

use outlast_types::{limits, wire};

use super::super::*;
use super::world::*;
use crate::{MAX_ADDRESSES, MAX_CARDS};

fn machine() -> Membership {
    let card = Card { node: id(0), addresses: vec![address(0, 1)], relay: None, incarnation: 100 };
    let ad = Ad { slots: 2, free: 2, ..Ad::default() };
    let mut machine = Membership::new(card, ad, Settings::default(), at(0));
    (0..2 * limits::MEMBERS).for_each(|n| machine.set_shared(id(n), vec![VO]));
    machine
}

fn introduction(n: usize, incarnation: u64) -> Introduction {
    Introduction {
        addresses: vec![address(n, incarnation)],
        relay: None,
        incarnation,
        ad: Ad::default(),
    }
}

fn hello(n: usize, incarnation: u64) -> Message {
    Message::Hello { me: introduction(n, incarnation), cards: false }
}

fn welcome(n: usize, incarnation: u64) -> Message {
    Message::Welcome { me: introduction(n, incarnation), cards: Vec::new() }
}

fn heartbeat(incarnation: u64, stamp: u64) -> Message {
    let (ad, digest, echo) = (Ad::default(), 1, None);
    Message::Heartbeat { incarnation, ad, digest, stamp, echo, answer: false, next_ms: 100 }
}

fn hear(machine: &mut Membership, ms: u64, from: usize, message: Message) -> Vec<Effect> {
    let mut out = Vec::new();
    machine.on_message(at(ms), id(from), message, &mut out);
    out
}

/// Ticks as a driver does, up to and including `ms`.
fn tick(machine: &mut Membership, ms: u64) -> Vec<Effect> {
    let mut out = Vec::new();
    while machine.next_tick() <= at(ms) {
        machine.on_tick(machine.next_tick(), &mut out);
    }
    out
}

fn state(machine: &Membership, n: usize) -> Option<State> {
    machine.member(&id(n)).map(|member| member.state)
}

fn ups_and_downs(effects: &[Effect]) -> Vec<&Effect> {
    effects.iter().filter(|e| matches!(e, Effect::Up { .. } | Effect::Down { .. })).collect()
}

fn sends_to(effects: &[Effect], n: usize) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::Send { to, .. } if *to == id(n))).count()
}

#[test]
fn silence_is_suspected_then_lost_then_probed_less_and_less_then_forgotten() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    tick(&mut m, 1_499);
    assert_eq!(state(&m, 1), Some(State::Alive));
    tick(&mut m, 2_499);
    assert_eq!(state(&m, 1), Some(State::Suspect));
    assert!(!m.is_alive(&id(1)) && m.member(&id(1)).is_some());
    let out = tick(&mut m, 2_500);
    assert_eq!(ups_and_downs(&out), [&Effect::Down { node: id(1), polite: false }]);
    assert_eq!(sends_to(&tick(&mut m, 12_499), 1), 4, "after 0.5, 1, 2, 4 s");
    assert_eq!(sends_to(&tick(&mut m, 102_499), 1), 6, "then every 15 s");
    tick(&mut m, 3_602_499);
    assert_eq!(state(&m, 1), Some(State::Lost));
    tick(&mut m, 3_602_500);
    assert_eq!(state(&m, 1), None);
}

#[test]
fn a_grid_at_rest_says_little_and_one_with_work_more() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    let beats = |m: &mut Membership, from: u64, to: u64| {
        let mut sent = 0;
        // The other end is as quiet, and says so.
        for second in from..to {
            let (ad, digest, echo) = (Ad::default(), 1, None);
            let (incarnation, stamp, next_ms) = (5, second, 2_000);
            let beat =
                Message::Heartbeat { incarnation, ad, digest, stamp, echo, answer: false, next_ms };
            hear(m, second * 1000, 1, beat);
            sent += tick(m, second * 1000 + 999)
                .iter()
                .filter(|e| matches!(e, Effect::Send { message: Message::Heartbeat { .. }, .. }))
                .count();
        }
        sent
    };
    assert_eq!(beats(&mut m, 0, 5), 9, "two a second after news");
    let quiet = beats(&mut m, 5, 25);
    assert!((9..=11).contains(&quiet), "one in two seconds, found {quiet}");
    m.stir(at(25_000));
    assert!(m.next_tick() <= at(25_000), "the new pace is told at once");
    assert!(beats(&mut m, 25, 30) >= 9);
}

#[test]
fn whoever_promised_less_is_given_more_time_but_not_any_time() {
    for (next_ms, suspect, lost) in
        [(500, 1_500, 2_500), (2_000, 3_000, 4_000), (u32::MAX, 11_000, 12_000)]
    {
        let mut m = machine();
        hear(&mut m, 0, 1, hello(1, 5));
        let (ad, digest, echo) = (Ad::default(), 1, None);
        let beat = Message::Heartbeat {
            incarnation: 5,
            ad,
            digest,
            stamp: 1,
            echo,
            answer: false,
            next_ms,
        };
        hear(&mut m, 0, 1, beat);
        tick(&mut m, suspect - 1);
        assert_eq!(state(&m, 1), Some(State::Alive), "{next_ms}");
        tick(&mut m, lost - 1);
        assert_eq!(state(&m, 1), Some(State::Suspect), "{next_ms}");
        tick(&mut m, lost);
        assert_eq!(state(&m, 1), Some(State::Lost), "{next_ms}");
    }
}

#[test]
fn a_lost_connection_is_probed_once_and_a_word_makes_it_good() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    let mut out = Vec::new();
    m.on_connection_lost(at(10), id(1), &mut out);
    m.on_connection_lost(at(11), id(1), &mut out);
    assert!(matches!(
        out[..],
        [Effect::Send { message: Message::Heartbeat { answer: true, .. }, .. }]
    ));
    assert_eq!(state(&m, 1), Some(State::Suspect));
    assert!(hear(&mut m, 20, 1, heartbeat(5, 1)).is_empty());
    assert_eq!(state(&m, 1), Some(State::Alive));
}

#[test]
fn a_life_that_is_over_is_not_heard() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    let out = hear(&mut m, 10, 1, hello(1, 6));
    let (down, up) = (Effect::Down { node: id(1), polite: false }, Effect::Up { node: id(1) });
    assert_eq!(ups_and_downs(&out), [&down, &up]);
    assert!(hear(&mut m, 1_000, 1, heartbeat(5, 1)).is_empty());
    assert!(hear(&mut m, 1_000, 1, hello(1, 5)).is_empty());
    assert!(hear(&mut m, 1_000, 1, Message::Bye { incarnation: 5 }).is_empty());
    assert_eq!(m.counters().stale, 3);
    assert_eq!(m.member(&id(1)).unwrap().last_heard, at(10));
    // Nor is one that said goodbye.
    hear(&mut m, 1_100, 1, Message::Bye { incarnation: 6 });
    assert!(hear(&mut m, 1_200, 1, heartbeat(6, 2)).is_empty());
    assert!(hear(&mut m, 9_000, 1, hello(1, 6)).is_empty());
    assert_eq!(state(&m, 1), Some(State::Left));
    assert_eq!(hear(&mut m, 9_100, 1, hello(1, 7)).iter().filter(|e| **e == up).count(), 1);
}

#[test]
fn a_node_whose_clock_was_set_back_is_let_in_once_its_former_life_is_lost() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 50));
    assert!(hear(&mut m, 1_000, 1, hello(1, 5)).is_empty());
    tick(&mut m, 2_500);
    assert_eq!(state(&m, 1), Some(State::Lost));
    let out = hear(&mut m, 3_000, 1, heartbeat(5, 1));
    assert!(matches!(out[..], [Effect::Send { message: Message::Hello { .. }, .. }]));
    hear(&mut m, 3_010, 1, welcome(1, 5));
    assert!(m.is_alive(&id(1)));
}

#[test]
fn what_a_member_says_of_others_changes_nothing_about_those_that_are_heard() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    hear(&mut m, 0, 2, hello(2, 5));
    let lie = Card { node: id(2), addresses: vec![address(9, 9)], relay: None, incarnation: 99 };
    let me = Card { node: id(0), addresses: vec![address(9, 9)], relay: None, incarnation: 101 };
    assert!(hear(&mut m, 10, 1, Message::Cards { cards: vec![lie.clone(), me] }).is_empty());
    assert_eq!(m.member(&id(2)).unwrap().card.addresses, [address(2, 5)]);
    assert_eq!(m.counters().impostors, 1);
    // Once it is lost, a hint is worth a probe: there too, and what it said itself is still kept.
    for ms in [1_000, 2_000, 3_000] {
        tick(&mut m, ms);
        hear(&mut m, ms, 1, heartbeat(5, ms));
    }
    assert_eq!(state(&m, 2), Some(State::Lost));
    let out = hear(&mut m, 3_010, 1, Message::Cards { cards: vec![lie] });
    let addresses = vec![address(2, 5), address(9, 9)];
    assert_eq!(out[0], Effect::Learn { node: id(2), addresses, relay: None });
    assert_eq!(m.member(&id(2)).unwrap().card.incarnation, 5);
    assert!(ups_and_downs(&out).is_empty());
}

#[test]
fn a_stranger_is_no_member_before_it_introduces_itself() {
    let mut m = machine();
    assert!(hear(&mut m, 0, 1, Message::Pull).is_empty());
    let cards = vec![Card { node: id(3), addresses: Vec::new(), relay: None, incarnation: 1 }];
    assert!(hear(&mut m, 0, 1, Message::Cards { cards: cards.clone() }).is_empty());
    assert_eq!(m.counters().strangers, 2);
    assert!(hear(&mut m, 0, 1, Message::Bye { incarnation: 1 }).is_empty());
    let out = hear(&mut m, 0, 1, heartbeat(1, 1));
    assert!(matches!(out[..], [Effect::Send { message: Message::Hello { .. }, .. }]));
    hear(&mut m, 0, 1, hello(1, 1));
    // Neither are those that it tells of; they are greeted a few times.
    assert_eq!(sends_to(&hear(&mut m, 1, 1, Message::Cards { cards }), 3), 1);
    assert_eq!(m.members().count(), 1);
    assert_eq!(sends_to(&tick(&mut m, 60_000), 3), 5);
    assert!(m.contacts.is_empty());
}

#[test]
fn a_ticket_is_tried_for_ever_and_remembered() {
    let mut m = machine();
    let ticket = Card { node: id(1), addresses: vec![address(1, 1)], relay: None, incarnation: 0 };
    let mut out = Vec::new();
    m.join(at(0), vec![ticket.clone()], &mut out);
    let addresses = ticket.addresses.clone();
    assert_eq!(out[0], Effect::Learn { node: id(1), addresses, relay: None });
    assert!(matches!(out[1], Effect::Send { message: Message::Hello { cards: true, .. }, .. }));
    assert!(sends_to(&tick(&mut m, 7_200_000), 1) > 400);
    assert_eq!(m.cards(), [ticket]);
    // And again after it was a member and is forgotten.
    hear(&mut m, 7_200_000, 1, welcome(1, 1));
    assert!(m.contacts.is_empty());
    tick(&mut m, 14_400_000);
    assert_eq!(m.contacts.len(), 1);
}

#[test]
fn the_table_is_bounded_and_the_living_come_before_the_dead() {
    let mut m = machine();
    for n in 1..=limits::MEMBERS {
        hear(&mut m, 0, n, hello(n, 1));
    }
    let over = limits::MEMBERS + 1;
    let out = hear(&mut m, 1, over, hello(over, 1));
    assert_eq!(out, [Effect::Send { to: id(over), message: Message::Full }]);
    let out = hear(&mut m, 1, over, heartbeat(1, 1));
    assert_eq!(out, [Effect::Send { to: id(over), message: Message::Full }]);
    assert!(hear(&mut m, 1, over, welcome(over, 1)).is_empty());
    assert_eq!(m.counters().refused, 3);
    hear(&mut m, 2, 7, Message::Bye { incarnation: 1 });
    hear(&mut m, 3, over, hello(over, 1));
    assert!(m.is_alive(&id(over)) && state(&m, 7).is_none());
    assert_eq!(m.members().count(), limits::MEMBERS);
}

#[test]
fn contacts_are_bounded_and_greeted_a_few_at_a_time() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 1));
    let cards = |from: usize| {
        let cards = from..from + MAX_CARDS;
        cards
            .map(|n| Card {
                node: id(n),
                addresses: vec![address(n, 1)],
                relay: None,
                incarnation: 1,
            })
            .collect()
    };
    let out = hear(&mut m, 1, 1, Message::Cards { cards: cards(10) });
    assert_eq!(out.iter().filter(|e| matches!(e, Effect::Send { .. })).count(), 64);
    assert_eq!(m.contacts.len(), MAX_CARDS);
    assert_eq!(m.next_tick(), at(51));
    hear(&mut m, 2, 1, Message::Cards { cards: cards(10 + MAX_CARDS) });
    assert_eq!(m.contacts.len(), MAX_CARDS, "no more from one member");
    assert_eq!(m.counters().cards_dropped, MAX_CARDS as u64);
    let out = tick(&mut m, 1_000);
    let greeted = |n| sends_to(&out, n) > 0;
    assert!((10 + 64..10 + MAX_CARDS).all(greeted), "all within a second");
}

#[test]
fn what_breaks_a_bound_is_dropped_and_counted() {
    let mut m = machine();
    let long = Ad { name: "x".repeat(256), ..Ad::default() };
    let escape = Ad { name: "\u{1b}[2J".into(), ..Ad::default() };
    for ad in [long, escape] {
        let me = Introduction { ad, ..introduction(1, 1) };
        assert!(hear(&mut m, 0, 1, Message::Hello { me, cards: true }).is_empty());
    }
    let addresses = vec![address(1, 1); MAX_ADDRESSES + 1];
    let me = Introduction { addresses: addresses.clone(), ..introduction(1, 1) };
    assert!(hear(&mut m, 0, 1, Message::Welcome { me, cards: Vec::new() }).is_empty());
    hear(&mut m, 0, 1, hello(1, 1));
    let card = Card { node: id(2), addresses, relay: None, incarnation: 1 };
    assert!(hear(&mut m, 0, 1, Message::Cards { cards: vec![card] }).is_empty());
    let card = Card { node: id(2), addresses: Vec::new(), relay: None, incarnation: 1 };
    let cards = vec![card; MAX_CARDS + 1];
    assert!(hear(&mut m, 0, 1, Message::Cards { cards }).is_empty());
    assert_eq!(m.counters().malformed, 5);
    // What this node itself says stays within the bounds.
    let ad = Ad { name: "ü\n".repeat(200), ..Ad::default() };
    m.set_ad(at(1), ad, &mut Vec::new());
    assert!(m.own.introduction().split(id(0)).is_some());
}

#[test]
fn a_full_table_fits_into_a_frame() {
    let v6 = SocketAddr::from(([0xffff; 8], 0xffff));
    let node = NodeId::from_bytes([255; 32]);
    let card =
        Card { node, addresses: vec![v6; MAX_ADDRESSES], relay: None, incarnation: u64::MAX };
    let message = Message::Cards { cards: vec![card; MAX_CARDS] };
    let frame = wire::encode(&message, limits::FRAME_BYTES / 10).unwrap();
    assert_eq!(wire::decode::<Message>(&frame, limits::FRAME_BYTES).unwrap(), message);
}

#[test]
fn an_ad_goes_out_at_once_if_it_matters_soon_if_it_may_and_else_with_the_next_heartbeat() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    tick(&mut m, 500);
    let ad =
        |free, load_milli, draining| Ad { slots: 2, free, load_milli, draining, ..Ad::default() };
    let mut out = Vec::new();
    m.set_ad(at(510), ad(1, 7, false), &mut out);
    assert!(out.is_empty() && m.next_tick() == at(1_000));
    m.set_ad(at(520), ad(0, 7, false), &mut out);
    m.set_ad(at(530), ad(1, 7, false), &mut out);
    m.set_ad(at(540), ad(0, 7, false), &mut out);
    assert!(out.is_empty() && m.next_tick() == at(750), "as often as every half heartbeat");
    assert_eq!(sends_to(&tick(&mut m, 750), 1), 1);
    m.set_ad(at(760), ad(0, 7, true), &mut out);
    assert_eq!(sends_to(&out, 1), 1);
}

#[test]
fn an_overtaken_heartbeat_does_not_bring_an_old_ad_back() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    let beat = |stamp, free| {
        let (ad, digest, echo) = (Ad { free, ..Ad::default() }, 1, None);
        Message::Heartbeat { incarnation: 5, ad, digest, stamp, echo, answer: false, next_ms: 100 }
    };
    assert_eq!(hear(&mut m, 1, 1, beat(20, 2)), [Effect::AdChanged { node: id(1) }]);
    assert!(hear(&mut m, 2, 1, beat(10, 1)).is_empty());
    assert_eq!(m.member(&id(1)).unwrap().ad.free, 2);
}

#[test]
fn who_slept_does_not_take_its_own_silence_for_that_of_others() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    hear(&mut m, 0, 2, hello(2, 5));
    let mut out = Vec::new();
    m.on_tick(at(60_000), &mut out);
    assert!(ups_and_downs(&out).is_empty());
    assert_eq!(state(&m, 1), Some(State::Suspect));
    hear(&mut m, 60_010, 1, heartbeat(5, 1));
    let out = tick(&mut m, 61_100);
    assert_eq!(ups_and_downs(&out), [&Effect::Down { node: id(2), polite: false }]);
}

#[test]
fn after_leaving_it_says_and_does_nothing() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    let mut out = Vec::new();
    m.leave(at(1), &mut out);
    assert_eq!(out, [Effect::Send { to: id(1), message: Message::Bye { incarnation: 100 } }]);
    m.leave(at(2), &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(m.next_tick(), Time::FAR);
    assert!(hear(&mut m, 3, 2, hello(2, 1)).is_empty());
}

#[test]
fn an_echo_that_cannot_be_one_is_no_measurement() {
    let mut m = machine();
    hear(&mut m, 0, 1, hello(1, 5));
    let beat = |stamp, echo_stamp, held_us| {
        let echo = Some(Echo { stamp: echo_stamp, held_us });
        let (ad, digest) = (Ad::default(), 1);
        Message::Heartbeat { incarnation: 5, ad, digest, stamp, echo, answer: false, next_ms: 100 }
    };
    for (stamp, held) in [(u64::MAX, 0), (0, u64::MAX), (900_000, 200_000), (0, 0)] {
        hear(&mut m, 10_000, 1, beat(1, stamp, held));
    }
    hear(&mut m, 10_000, 1, beat(2, 9_000_000, 980_000));
    assert_eq!(m.member(&id(1)).unwrap().rtt, Some(millis(20)));
}

#[test]
fn nobody_hears_of_a_node_of_another_organisation() {
    let mut m = machine();
    let other = VoId::from_bytes([4; 32]);
    m.set_shared(id(2), vec![other]);
    m.set_shared(id(3), vec![VO, other]);
    for n in 1..=3 {
        hear(&mut m, 10, n, hello(n, 1));
    }
    let mut told = |n| {
        let effects = hear(&mut m, 2_000, n, Message::Pull);
        let cards = effects.iter().find_map(|effect| match effect {
            Effect::Send { message: Message::Cards { cards }, .. } => Some(cards.clone()),
            _ => None,
        });
        cards.unwrap().into_iter().map(|card| card.node).collect::<Vec<_>>()
    };
    assert_eq!(told(1), [id(3)]);
    assert_eq!(told(2), [id(3)]);
    assert_eq!(told(3), [id(1), id(2)]);
}

#[test]
fn a_node_that_moves_tells_its_members_and_they_hand_on_where_it_is() {
    let mut m = machine();
    hear(&mut m, 1, 1, hello(1, 5));
    let mut out = Vec::new();
    let relay = Some("http://10.0.0.1:3340".to_owned());
    m.set_place(vec![address(0, 7)], relay.clone(), &mut out);
    let [Effect::Send { to, message: Message::Hello { me, cards: false } }] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!((*to, &me.relay, me.addresses[0]), (id(1), &relay, address(0, 7)));
    let moved = Introduction { relay, ..introduction(1, 5) };
    let told = hear(&mut m, 2, 1, Message::Hello { me: moved.clone(), cards: false });
    let Introduction { addresses, relay, .. } = moved;
    assert_eq!(told[0], Effect::Learn { node: id(1), addresses, relay: relay.clone() });
    assert_eq!(m.cards()[0].relay, relay);
    out.clear();
    m.set_place(vec![address(0, 7)], relay, &mut out);
    assert_eq!(out, []);
}

#[test]
fn who_is_found_near_by_is_greeted_and_given_up_if_it_never_answers() {
    let mut m = machine();
    let card = Card { node: id(2), addresses: vec![address(2, 1)], relay: None, incarnation: 0 };
    let mut out = Vec::new();
    m.found(at(0), vec![card], &mut out);
    assert_eq!(sends_to(&out, 2), 1);
    let later = tick(&mut m, 120_000);
    assert!(sends_to(&later, 2) > 0 && sends_to(&later, 2) < 10);
    assert_eq!(m.cards(), []);
    assert_eq!(sends_to(&tick(&mut m, 240_000), 2), 0);
}
