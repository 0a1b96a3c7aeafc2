//! Whatever is heard, from whomever, in whatever order.

use std::collections::BTreeSet;

use outlast_types::limits;
use proptest::prelude::*;

use super::super::*;
use super::world::*;
use crate::MAX_ADDRESSES;

fn ads() -> impl Strategy<Value = Ad> {
    (0..3u32, any::<bool>(), prop_oneof![4 => Just(""), 1 => Just("\n")]).prop_map(
        |(free, draining, name)| Ad {
            name: name.into(),
            slots: 2,
            free,
            draining,
            ..Ad::default()
        },
    )
}

fn cards() -> impl Strategy<Value = Card> {
    let bounds = (0..=MAX_ADDRESSES + 1, 0..=limits::RELAY_BYTES + 1);
    (0..8usize, 0..4u64, bounds).prop_map(|(n, incarnation, (count, length))| Card {
        node: id(n),
        addresses: (0..count as u64).map(|life| address(n, life)).collect(),
        relay: (length > 0).then(|| "r".repeat(length)),
        incarnation,
    })
}

fn introductions() -> impl Strategy<Value = Introduction> {
    (cards(), ads()).prop_map(|(card, ad)| Introduction {
        addresses: card.addresses,
        relay: card.relay,
        incarnation: card.incarnation,
        ad,
    })
}

fn messages() -> impl Strategy<Value = Message> {
    prop_oneof![
        (introductions(), any::<bool>()).prop_map(|(me, cards)| Message::Hello { me, cards }),
        (introductions(), proptest::collection::vec(cards(), 0..12))
            .prop_map(|(me, cards)| Message::Welcome { me, cards }),
        (
            0..4u64,
            ads(),
            any::<u64>(),
            any::<u64>(),
            any::<Option<(u64, u64)>>(),
            any::<bool>(),
            any::<u32>()
        )
            .prop_map(|(incarnation, ad, digest, stamp, echo, answer, next_ms)| {
                let echo = echo.map(|(stamp, held_us)| Echo { stamp, held_us });
                Message::Heartbeat { incarnation, ad, digest, stamp, echo, answer, next_ms }
            }),
        Just(Message::Pull),
        proptest::collection::vec(cards(), 0..12).prop_map(|cards| Message::Cards { cards }),
        Just(Message::Full),
        (0..4u64).prop_map(|incarnation| Message::Bye { incarnation }),
    ]
}

#[derive(Clone, Debug)]
enum Event {
    Message(usize, Message),
    ConnectionLost(usize),
    Join(Vec<Card>),
    Offer(Ad),
    Tick,
}

fn events() -> impl Strategy<Value = (u64, Event)> {
    let event = prop_oneof![
        6 => (0..8usize, messages()).prop_map(|(from, message)| Event::Message(from, message)),
        1 => (0..8usize).prop_map(Event::ConnectionLost),
        1 => proptest::collection::vec(cards(), 0..3).prop_map(Event::Join),
        1 => ads().prop_map(Event::Offer),
        2 => Just(Event::Tick),
    ];
    (prop_oneof![4 => 0..800u64, 1 => 0..5_000u64, 1 => 0..4_000_000u64], event)
}

proptest! {
    #[test]
    fn ups_and_downs_alternate_and_tables_are_sound(
        events in proptest::collection::vec(events(), 0..120),
    ) {
        let card = Card { node: id(0), addresses: vec![address(0, 1)], relay: None, incarnation: 2 };
        let mut machine = Membership::new(card, Ad::default(), Settings::default(), at(0));
        let (mut ms, mut up) = (0, BTreeSet::new());
        for (pause, event) in events {
            ms += pause;
            let (now, mut out) = (at(ms), Vec::new());
            match event {
                Event::Message(from, message) => {
                    machine.on_message(now, id(from), message, &mut out);
                    prop_assert!(out.len() < 40);
                }
                Event::ConnectionLost(node) => {
                    machine.on_connection_lost(now, id(node), &mut out);
                }
                Event::Join(cards) => machine.join(now, cards, &mut out),
                Event::Offer(ad) => machine.set_ad(now, ad, &mut out),
                Event::Tick => {
                    machine.on_tick(now, &mut out);
                    prop_assert!(machine.next_tick() > now);
                }
            }
            for effect in out {
                match effect {
                    Effect::Up { node } => prop_assert!(up.insert(node)),
                    Effect::Down { node, .. } => prop_assert!(up.remove(&node)),
                    Effect::AdChanged { node } => prop_assert!(up.contains(&node)),
                    Effect::Learn { node, addresses, relay } => {
                        prop_assert!(node != id(0));
                        prop_assert!(!addresses.is_empty() || relay.is_some());
                        let length = relay.map_or(0, |relay| relay.len());
                        prop_assert!(length <= limits::RELAY_BYTES);
                        prop_assert!(addresses.len() <= MAX_ADDRESSES);
                    }
                    Effect::Send { to, message } => {
                        prop_assert!(to != id(0));
                        if let Message::Cards { cards } | Message::Welcome { cards, .. } = message {
                            prop_assert!(cards.iter().all(|card| up.contains(&card.node)));
                        }
                    }
                }
            }
            let seen = machine.members().filter(|m| m.state.is_up()).map(|m| m.card.node);
            prop_assert_eq!(seen.collect::<BTreeSet<_>>(), up.clone());
            prop_assert!(machine.members.len() <= limits::MEMBERS);
            prop_assert!(machine.members().all(|m| m.card.addresses.len() <= MAX_ADDRESSES));
            prop_assert!(machine.contacts.keys().all(|node| machine.member(node).is_none()));
            let digest = up.iter().map(token).fold(token(&id(0)), |a, b| a ^ b);
            prop_assert_eq!(machine.own.digest, digest);
        }
    }
}
