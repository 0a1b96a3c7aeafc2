//! What a grid of members does together.

use super::super::*;
use super::world::*;

/// A grid of `nodes`, each of which knows one that was there before.
fn grid(seed: u64, nodes: usize) -> World {
    let mut world = World::new(seed, nodes);
    world.start(0, &[]);
    for n in 1..nodes {
        let contact = world.random(n as u64) as usize;
        world.start(n, &[contact]);
    }
    world
}

#[test]
fn who_joins_anywhere_is_known_everywhere_within_a_heartbeat() {
    let mut world = World::new(1, 12);
    world.start(0, &[]);
    for n in 1..12 {
        world.run(millis(3_000));
        let contact = world.random(n as u64) as usize;
        world.start(n, &[contact]);
        world.until(world.settings.heartbeat, "everybody knows everybody", World::is_complete);
    }
    world.run(millis(5_000));
    assert!(world.is_complete() && world.downs.is_empty());
    let members = || world.machine(0).members();
    assert!(members().all(|member| member.ad.slots == 2 && member.rtt.is_some()));
}

#[test]
fn a_grid_that_starts_all_at_once_is_complete_within_a_few_pulls() {
    for seed in 0..30 {
        let mut world = grid(seed, 12);
        world.until(millis(6_000), "everybody knows everybody", World::is_complete);
        assert!(world.downs.is_empty());
    }
    // As `scripts/demo.sh` does it: all know the first one.
    let mut world = World::new(1, 12);
    (0..12).for_each(|n| world.start(n, &[0]));
    world.until(millis(100), "everybody knows everybody", World::is_complete);
}

#[test]
fn one_contact_late_and_a_lossy_network_still_make_one_grid() {
    for seed in 0..40 {
        let mut world = World::new(seed, 8);
        world.loss_permille = 200;
        world.duplicate_permille = 100;
        world.delay_us = 100..150_000;
        for n in 1..8 {
            world.start(n, &[n - 1]);
        }
        world.run(millis(3_000));
        world.start(0, &[]);
        world.until(millis(60_000), "everybody knows everybody", World::is_complete);
    }
}

#[test]
fn two_grids_become_one_by_one_ticket() {
    let mut world = World::new(7, 10);
    for n in 0..10 {
        world.start(n, &[n / 5 * 5]);
    }
    world.run(millis(5_000));
    assert!(!world.is_complete());
    let ticket = world.card(7);
    world.act(2, |machine, now, out| machine.join(now, vec![ticket], out));
    world.until(millis(3_000), "everybody knows everybody", World::is_complete);
}

#[test]
fn a_dead_node_is_down_everywhere_in_time_and_nobody_else_is() {
    for seed in 0..20 {
        let mut world = grid(seed, 10);
        world.delay_us = 1_000..100_000;
        world.until(millis(5_000), "everybody knows everybody", World::is_complete);
        let settle = millis(world.random(1_000));
        world.run(settle);
        let (died, victim) = (world.now, world.random(10) as usize);
        world.kill(victim);
        let within = world.settings.lost_after + world.settings.heartbeat * 2 + millis(100);
        world.until(within, "the dead node is down everywhere", World::is_complete);
        assert_eq!(world.downs.len(), 9);
        let sound = |went: &Went| went.node == id(victim) && !went.polite && went.when > died;
        assert!(world.downs.iter().all(sound), "{:?}", world.downs);
        assert!(world.downs.iter().all(|went| went.observer != victim));
    }
}

#[test]
fn without_loss_nobody_who_lives_goes_down() {
    for seed in 0..5 {
        let mut world = grid(seed, 12);
        world.delay_us = 0..900_000;
        world.run(millis(60_000));
        assert!(world.is_complete() && world.downs.is_empty(), "{:?}", world.downs);
    }
}

#[test]
fn who_leaves_is_down_politely_and_at_once() {
    let mut world = grid(3, 6);
    world.run(millis(5_000));
    world.leave(2);
    world.until(millis(20), "it is down everywhere", World::is_complete);
    assert_eq!(world.downs.iter().filter(|went| went.polite).count(), 5);
    world.run(millis(20_000));
    assert_eq!(world.downs.len(), 5);
    world.start(2, &[]);
    world.until(millis(2_000), "it is back everywhere", World::is_complete);
}

#[test]
fn a_node_started_again_at_once_goes_down_and_up_once() {
    let mut world = grid(4, 6);
    world.run(millis(5_000));
    let ups = world.ups;
    world.kill(1);
    world.run(millis(200));
    world.start(1, &[]);
    world.run(millis(5_000));
    assert!(world.is_complete());
    assert_eq!(world.downs.len(), 5);
    assert_eq!(world.ups - ups, 5 + 5, "its own, and those of the others");
    let member = world.machine(0).member(&id(1)).unwrap();
    assert_eq!(member.card.addresses, [address(1, 2)]);
}

#[test]
fn a_parted_grid_becomes_one_again() {
    for seed in 0..10 {
        let mut world = grid(seed, 9);
        world.loss_permille = 20;
        world.run(millis(5_000));
        world.group = (0..9).map(|n| n % 3).collect();
        let length = millis(3_000 + world.random(120_000));
        world.run(length);
        assert!((0..9).all(|n| world.machine(n).members().filter(|m| m.state.is_up()).count() < 3));
        world.kill(8);
        world.group = vec![0; 9];
        world.run(millis(1_000));
        world.start(8, &[]);
        world.until(millis(40_000), "one grid again", World::is_complete);
    }
}

#[test]
fn after_any_trouble_the_living_know_each_other_and_nobody_else() {
    for seed in 0..150 {
        let mut world = grid(seed, 7);
        world.until(millis(6_000), "everybody knows everybody", World::is_complete);
        world.loss_permille = world.random(150);
        world.duplicate_permille = world.random(100);
        world.delay_us = 100..100_000 + world.random(100_000);
        for _ in 0..25 {
            let n = world.random(7) as usize;
            match (world.random(6), world.is_running(n)) {
                (0, true) => world.kill(n),
                (1, true) => world.leave(n),
                (0..=2, false) => world.start(n, &[0]),
                (3, _) => world.group[n] = 1 - world.group[n],
                (4, true) => {
                    let other = id(world.random(7) as usize);
                    world.act(n, |machine, now, out| machine.on_connection_lost(now, other, out));
                }
                _ => {
                    let pause = millis(world.random(5_000));
                    world.run(pause);
                }
            }
        }
        world.group = vec![0; 7];
        if !world.is_running(0) {
            world.start(0, &[]);
        }
        // Time for a few of the longest pauses between greetings.
        world.until(millis(60_000), &format!("seed {seed}"), World::is_complete);
    }
}

#[test]
fn a_lossy_network_costs_no_more_than_a_sound_one() {
    let sent = |nodes: usize, loss| {
        let mut world = grid(5, nodes);
        world.run(millis(10_000));
        world.loss_permille = loss;
        world.sent.fill(0);
        world.run(millis(20_000));
        *world.sent.iter().max().unwrap()
    };
    for nodes in [4, 12, 24] {
        let members = nodes as u64 - 1;
        assert_eq!(sent(nodes, 0), 10 * members, "one heartbeat in two seconds for each member");
        assert!(sent(nodes, 100) <= 20 * (4 * members + 2));
    }
}

#[test]
fn a_link_that_is_gone_for_good_does_not_set_off_endless_pulls() {
    // 0 and 1 both hear 2, and not each other.
    let mut world = World::new(1, 3);
    world.start(2, &[]);
    world.start(0, &[2]);
    world.run(millis(5_000));
    let told = Message::Cards { cards: vec![world.card(1)] };
    for _ in 0..3 {
        let message = told.clone();
        world.act(0, |machine, now, out| machine.on_message(now, id(2), message, out));
    }
    world.sent.fill(0);
    world.run(millis(100_000));
    assert!(world.sent[0] <= 2 * 100 + 20, "{:?}", world.sent);
    assert!(world.machine(0).contacts.is_empty(), "it was given up");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let mut world = grid(seed, 6);
        world.loss_permille = 100;
        world.run(millis(20_000));
        world.kill(3);
        world.run(millis(10_000));
        (world.trace, world.sent_bytes)
    };
    assert_eq!(trace(11), trace(11));
    assert_ne!(trace(11), trace(12));
}
