use proptest::prelude::*;

use super::*;

fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

fn ad(slots: u32, flops: u64) -> Ad {
    Ad { slots, free: slots, cores: slots, flops, ..Ad::default() }
}

fn candidate(n: u8, ad: &Ad) -> Candidate<'_> {
    Candidate { node: node(n), ad, credibility: 0.5, outstanding: 0, local: false }
}

/// Ids of those chosen for `count` pieces of work, while they have room.
fn place(policy: &mut dyn Policy, mut candidates: Vec<Candidate<'_>>, count: usize) -> Vec<u8> {
    let mut chosen = Vec::new();
    while chosen.len() < count {
        candidates.retain(|candidate| room(candidate, 0) > 0);
        let Some(place) = policy.choose(&candidates, 1.0) else { break };
        candidates[place].outstanding += 1;
        chosen.push(candidates[place].node.as_bytes()[0]);
    }
    chosen
}

#[test]
fn room_is_slots_and_prefetch_less_what_is_outstanding() {
    let ad = ad(4, 1);
    assert_eq!(room(&candidate(1, &ad), 0), 4);
    assert_eq!(room(&candidate(1, &ad), 2), 6);
    assert_eq!(room(&Candidate { outstanding: 5, ..candidate(1, &ad) }, 2), 1);
    assert_eq!(room(&Candidate { outstanding: 9, ..candidate(1, &ad) }, 2), 0);
    assert_eq!(room(&candidate(1, &ad), u32::MAX), u32::MAX);
}

#[test]
fn who_leaves_or_does_not_work_has_no_room() {
    let leaving = Ad { draining: true, ..ad(4, 1) };
    assert_eq!(room(&candidate(1, &leaving), 2), 0);
    assert_eq!(room(&candidate(1, &ad(0, 1)), 2), 0);
}

#[test]
fn nobody_is_chosen_among_none() {
    assert_eq!(Flops.choose(&[], 1.0), None);
    assert_eq!(RoundRobin::default().choose(&[], 1.0), None);
}

#[test]
fn round_robin_gives_each_its_turn_also_when_one_goes_away() {
    let ad = ad(9, 1);
    let all = [candidate(3, &ad), candidate(1, &ad), candidate(2, &ad)];
    let mut policy = RoundRobin::default();
    let turns: Vec<_> = (0..4).map(|_| policy.choose(&all, 1.0).unwrap()).collect();
    assert_eq!(turns, [1, 2, 0, 1]);
    assert_eq!(policy.choose(&[all[0], all[1]], 1.0), Some(0));
}

#[test]
fn flops_fills_free_slots_before_it_queues_on_a_faster_node() {
    let (fast, slow) = (ad(2, 1_000), ad(1, 10));
    assert_eq!(place(&mut Flops, vec![candidate(1, &slow), candidate(2, &fast)], 9), [2, 2, 1]);
    let busy = Ad { free: 0, ..ad(2, 1_000) };
    assert_eq!(place(&mut Flops, vec![candidate(1, &slow), candidate(2, &busy)], 9), [1, 2, 2]);
}

#[test]
fn flops_goes_by_speed_then_load_then_credibility_then_id() {
    let (plain, loaded) = (ad(2, 100), Ad { load_milli: 2_000, ..ad(2, 100) });
    let faster = ad(2, 101);
    let choose = |candidates: &[Candidate<'_>]| {
        candidates[Flops.choose(candidates, 1.0).unwrap()].node.as_bytes()[0]
    };
    assert_eq!(choose(&[candidate(1, &plain), candidate(2, &faster)]), 2);
    assert_eq!(choose(&[candidate(1, &loaded), candidate(2, &plain)]), 2);
    let believed = Candidate { credibility: 0.9, ..candidate(2, &plain) };
    assert_eq!(choose(&[candidate(1, &plain), believed]), 2);
    assert_eq!(choose(&[candidate(2, &plain), candidate(1, &plain)]), 1);
    let local = Candidate { local: true, ..candidate(3, &plain) };
    assert_eq!(choose(&[believed, local]), 3);
}

#[test]
fn equal_nodes_get_equal_shares() {
    let ad = ad(4, 100);
    let mut chosen = place(&mut Flops, (1..=3).map(|n| candidate(n, &ad)).collect(), 6);
    chosen.sort_unstable();
    assert_eq!(chosen, [1, 1, 2, 2, 3, 3]);
}

proptest! {
    #[test]
    fn the_order_of_the_candidates_does_not_matter(
        offers in proptest::collection::btree_map(
            any::<u8>(), (1u32..4, 0u32..4, 0u64..3, 0u32..3, 0u32..3, any::<f64>()), 1..12),
        by in 0usize..12,
    ) {
        let ads: Vec<Ad> = offers
            .values()
            .map(|&(slots, free, flops, load, ..)| Ad { free, load_milli: load, ..ad(slots, flops) })
            .collect();
        let mut candidates: Vec<_> = offers
            .iter()
            .zip(&ads)
            .map(|((&n, &(.., outstanding, credibility)), ad)| Candidate {
                outstanding, credibility, ..candidate(n, ad)
            })
            .collect();
        let flops = candidates[Flops.choose(&candidates, 1.0).unwrap()].node;
        let first = candidates[RoundRobin::default().choose(&candidates, 1.0).unwrap()].node;
        let places = candidates.len();
        candidates.rotate_left(by % places);
        prop_assert_eq!(candidates[Flops.choose(&candidates, 1.0).unwrap()].node, flops);
        let place = RoundRobin::default().choose(&candidates, 1.0).unwrap();
        prop_assert_eq!(candidates[place].node, first);
    }

    #[test]
    fn all_room_is_used(offers in proptest::collection::vec((0u32..4, any::<bool>()), 0..8)) {
        let ads: Vec<Ad> =
            offers.iter().map(|&(slots, draining)| Ad { draining, ..ad(slots, 5) }).collect();
        let wanted: u32 =
            offers.iter().map(|&(slots, draining)| if draining { 0 } else { slots }).sum();
        let candidates = || ads.iter().zip(1..).map(|(ad, n)| candidate(n, ad)).collect();
        prop_assert_eq!(place(&mut Flops, candidates(), 99).len(), wanted as usize);
        prop_assert_eq!(place(&mut RoundRobin::default(), candidates(), 99).len(), wanted as usize);
    }
}
