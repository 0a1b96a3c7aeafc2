use outlast_types::{CellId, wire};
use proptest::prelude::*;

use super::*;

fn node(number: u64) -> NodeId {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    NodeId::from_bytes(key)
}

fn right(worker: NodeId, basis: Basis) -> Verdict {
    Verdict::Right { worker, cell: CellId(0), basis }
}

#[test]
fn a_newcomer_is_believed_as_much_as_the_grid_has_honest_nodes_and_grows_with_checks() {
    let mut ledger = Ledger::new();
    let me = node(1);
    assert!((ledger.credence(&me) - 0.65).abs() < 1e-9);
    for basis in [Basis::Agreed, Basis::Quiz, Basis::Trusted] {
        let before = ledger.credence(&me);
        assert_eq!(ledger.record(&right(me, basis)), None);
        assert!(ledger.credence(&me) > before);
    }
    let before = ledger.credence(&me);
    ledger.record(&Verdict::Passed { worker: me, cell: CellId(0) });
    assert!(ledger.credence(&me) > before);
    let known = ledger.history(&me);
    assert_eq!(
        (known.right, known.agreed, known.quizzes, known.trusted, known.samples),
        (3, 1, 1, 1, 1)
    );
}

#[test]
fn what_was_accepted_on_its_own_word_teaches_nothing() {
    let mut ledger = Ledger::new();
    for _ in 0..1000 {
        ledger.record(&right(node(1), Basis::Alone));
    }
    assert_eq!(ledger.credence(&node(1)), ledger.credence(&node(2)));
}

#[test]
fn credence_is_the_bound_for_the_checks_passed() {
    let mut ledger = Ledger::new();
    for _ in 0..7 {
        ledger.record(&right(node(1), Basis::Quiz));
    }
    let odds = 0.35 / 0.65 * escape(7.0);
    assert!((ledger.credence(&node(1)) - 1.0 / (1.0 + odds)).abs() < 1e-6);
}

#[test]
fn the_share_of_liars_is_learned_and_newcomers_stand_or_fall_with_it() {
    let mut ledger = Ledger::new();
    for number in 0..100 {
        for _ in 0..20 {
            ledger.record(&right(node(number), Basis::Quiz));
        }
    }
    let honest = ledger.prior();
    assert!((honest - 3.5 / 110.0).abs() < 1e-9);
    let lie = |number| Verdict::Wrong { worker: node(number), cell: CellId(0), proof: Proof::Quiz };
    for number in 50..100 {
        ledger.record(&lie(number));
    }
    assert!((ledger.prior() - 53.5 / 110.0).abs() < 1e-9, "who was cleared is a liar now");
    assert!((ledger.credence(&node(999)) - (1.0 - ledger.prior())).abs() < 1e-9);
    for number in 1000..3000 {
        ledger.record(&lie(number));
    }
    assert!(ledger.prior() <= MOST_LIARS);
}

#[test]
fn newcomers_are_checked_more_and_nobody_never() {
    let policy = Policy { sample_rate: 0.02, ..Policy::with_max_error(0.05) };
    let mut ledger = Ledger::new();
    let mut last = ledger.check_rate(&node(1), &policy);
    assert_eq!(last, 1.0);
    for _ in 0..100_000 {
        ledger.record(&right(node(1), Basis::Quiz));
        let rate = ledger.check_rate(&node(1), &policy);
        assert!(rate <= last);
        last = rate;
    }
    assert!((last - 0.02).abs() < 1e-6, "{last}");
    assert!((ledger.check_rate(&node(1), &Policy::default()) - 1.0).abs() < 1e-9);
    // A new name is worth less than a marred one is, and is looked at more closely.
    assert!(ledger.check_rate(&node(2), &policy) > last);
}

#[test]
fn age_halves_what_is_known_and_wipes_nothing() {
    let mut ledger = Ledger::new();
    for _ in 0..16 {
        ledger.record(&right(node(1), Basis::Quiz));
    }
    ledger.record(&Verdict::Wrong { worker: node(2), cell: CellId(0), proof: Proof::Sample });
    let before = ledger.history(&node(1));
    ledger.age(-5.0);
    assert_eq!(ledger.history(&node(1)), before, "time doesn't go backwards");
    ledger.age(HALF_LIFE_DAYS);
    assert!((ledger.history(&node(1)).checks() - 8.0).abs() < 1e-3);
    assert_eq!(ledger.history(&node(1)).quizzes, 16);
    assert!(ledger.is_blacklisted(&node(2)));
    assert!(ledger.credence(&node(1)) > ledger.credence(&node(9)));
}

#[test]
fn an_occasion_counts_once_whatever_its_cells() {
    let mut ledger = Ledger::new();
    let (me, worker, other) = (node(0), node(1), node(2));
    let wrong = |cell| Verdict::Wrong { worker, cell: CellId(cell), proof: Proof::Outvoted };
    let fine = |cell| Verdict::Right { worker: other, cell: CellId(cell), basis: Basis::Agreed };
    let of_me = Verdict::Right { worker: me, cell: CellId(0), basis: Basis::Trusted };
    let verdicts: Vec<Verdict> =
        (0..50).flat_map(|cell| [wrong(cell), fine(cell)]).chain([of_me]).collect();
    assert_eq!(ledger.learn(&verdicts, &me), []);
    assert_eq!((ledger.history(&worker).outvoted, ledger.history(&other).right), (1, 1));
    assert_eq!(ledger.history(&me), History::default());
    let sample = Verdict::Wrong { worker, cell: CellId(9), proof: Proof::Sample };
    assert_eq!(ledger.learn(&[wrong(9), sample], &me), [Change::Blacklisted(worker)]);
}

#[test]
fn those_who_are_wrong_together_twice_are_suspects() {
    let mut ledger = Ledger::new();
    let together = |a: u64, b: u64| Verdict::Together {
        worker: node(a),
        other: node(b),
        cell: CellId(0),
        proof: Proof::Outvoted,
    };
    ledger.learn(&[together(1, 2), together(2, 1), together(3, 4)], &node(0));
    assert!(ledger.suspects().is_empty(), "once may be chance");
    ledger.learn(&[together(2, 1), together(2, 5)], &node(0));
    ledger.learn(&[together(5, 2)], &node(0));
    assert_eq!(ledger.suspects(), [vec![node(1), node(2), node(5)]]);
    assert_eq!(ledger.evidence(&node(2)).mates, [(node(1), 2), (node(5), 2)]);
    for number in 0..10_000 {
        ledger.record(&together(100 + number, 200_000 + number));
    }
    assert_eq!(
        ledger.suspects(),
        [vec![node(1), node(2), node(5)]],
        "bounded, and what is known best stays"
    );
}

#[test]
fn one_proven_lie_blacklists_once_whatever_was_before() {
    for proof in [Proof::Sample, Proof::Trusted] {
        let mut ledger = Ledger::new();
        ledger.record_many(node(1), 1_000_000, None);
        let lie = Verdict::Wrong { worker: node(1), cell: CellId(3), proof };
        assert_eq!(ledger.record(&lie), Some(Change::Blacklisted(node(1))));
        assert_eq!(ledger.record(&lie), None);
        assert!(ledger.is_blacklisted(&node(1)));
        assert_eq!(ledger.credibility(&node(1)), 0.0);
        assert_eq!(ledger.history(&node(1)).sampled_wrong, 2);
    }
}

#[test]
fn being_outvoted_blacklists_only_above_two_and_five_percent() {
    let mut ledger = Ledger::new();
    assert_eq!(ledger.record_many(node(1), 0, Some(Proof::Outvoted)), None);
    assert_eq!(ledger.record_many(node(1), 0, Some(Proof::Outvoted)), None);
    let third = ledger.record_many(node(1), 0, Some(Proof::Outvoted));
    assert_eq!(third, Some(Change::Blacklisted(node(1))));

    // 5 of 100 is tolerated, 6 of 101 is not.
    ledger.record_many(node(2), 95, None);
    for _ in 0..5 {
        assert_eq!(ledger.record_many(node(2), 0, Some(Proof::Outvoted)), None);
    }
    let sixth = ledger.record_many(node(2), 0, Some(Proof::Outvoted));
    assert_eq!(sixth, Some(Change::Blacklisted(node(2))));
}

#[test]
fn an_outvoted_honest_node_recovers_but_never_to_where_it_would_have_been() {
    let mut ledger = Ledger::new();
    ledger.record_many(node(1), 0, Some(Proof::Outvoted));
    assert!(ledger.credibility(&node(1)) < 0.1);
    for _ in 0..3000 {
        ledger.record_many(node(1), 1, None);
        ledger.record_many(node(2), 1, None);
        assert!(ledger.credibility(&node(1)) < ledger.credibility(&node(2)));
    }
    assert!(ledger.credibility(&node(1)) > 0.9);
}

#[test]
fn a_pardon_keeps_the_history_and_the_next_lie_lists_again() {
    let mut ledger = Ledger::new();
    ledger.record_many(node(1), 5, Some(Proof::Sample));
    ledger.pardon(node(1));
    ledger.pardon(node(9));
    assert!(!ledger.is_blacklisted(&node(1)));
    assert_eq!(ledger.history(&node(1)).sampled_wrong, 1);
    assert!(ledger.credibility(&node(1)) < ledger.credibility(&node(2)));
    let again = ledger.record_many(node(1), 0, Some(Proof::Trusted));
    assert_eq!(again, Some(Change::Blacklisted(node(1))));
    assert_eq!(ledger.iter().count(), 1, "a pardon of a stranger records nothing");
}

#[test]
fn the_ledger_is_bounded_and_forgets_those_it_knows_least() {
    let mut ledger = Ledger::new();
    ledger.blacklist(node(0));
    ledger.record_many(node(1), 0, Some(Proof::Outvoted));
    ledger.record_many(node(2), 50, None);
    for number in 3..LEDGER_NODES as u64 + 500 {
        ledger.record_many(node(number), 1, None);
    }
    assert_eq!(ledger.iter().count(), LEDGER_NODES);
    assert!(ledger.is_blacklisted(&node(0)));
    assert_eq!(ledger.history(&node(1)).outvoted, 1);
    assert_eq!(ledger.history(&node(2)).right, 50);

    for number in 0..LEDGER_NODES as u64 + 100 {
        ledger.blacklist(node(1_000_000 + number));
    }
    assert_eq!(ledger.iter().count(), LEDGER_NODES, "also when all are blacklisted");
}

#[test]
fn a_ledger_survives_its_encoding_which_says_the_same_in_one_way() {
    let together = Verdict::Together {
        worker: node(1),
        other: node(2),
        cell: CellId(0),
        proof: Proof::Outvoted,
    };
    let filled = |numbers: [u64; 3]| {
        let mut ledger = Ledger::new();
        for number in numbers {
            ledger.record_many(node(number), number, Some(Proof::Outvoted));
        }
        ledger.blacklist(node(2));
        ledger.record(&together);
        ledger
    };
    let ledger = filled([1, 2, 3]);
    let frame = wire::encode(&ledger, 1 << 20).unwrap();
    let decoded = wire::decode::<Ledger>(&frame, 1 << 20).unwrap();
    assert_eq!(decoded, ledger);
    assert_eq!(decoded.prior(), ledger.prior());
    // The prior, and with it what an agreement is worth, is the same at each step.
    assert_eq!(wire::encode(&filled([3, 1, 2]), 1 << 20).unwrap(), frame);
}

#[test]
fn the_first_form_of_a_ledger_is_no_ledger_but_can_be_taken_over() {
    let first = BTreeMap::from([(node(1), (40u64, 1u64, 0u64, false)), (node(2), (9, 0, 1, true))]);
    let frame = wire::encode(&first, 1 << 20).unwrap();
    assert!(wire::decode::<Ledger>(&frame, 1 << 20).is_err());
    let ledger = Ledger::from_first_form(wire::decode(&frame, 1 << 20).unwrap());
    assert_eq!((ledger.history(&node(1)).right, ledger.history(&node(1)).outvoted), (40, 1));
    assert!(ledger.is_blacklisted(&node(2)));
}

proptest! {
    /// On–off liars gain nothing by behaving in between: the cost of a wrong answer stays.
    #[test]
    fn a_wrong_answer_costs_for_good(
        right in 0u64..10_000, later in 0u64..10_000, outvoted in 0u64..50
    ) {
        let run = |outvoted: u64| {
            let mut ledger = Ledger::new();
            // Others, so that the prior is the same.
            ledger.record_many(node(1), right, None);
            (0..outvoted).for_each(|_| { ledger.record_many(node(1), 0, Some(Proof::Outvoted)); });
            ledger.record_many(node(1), later, None);
            let listed = ledger.is_blacklisted(&node(1));
            ledger.pardon(node(1));
            (ledger.credence(&node(1)), ledger.credence(&node(2)), listed)
        };
        let (clean, marred) = (run(outvoted), run(outvoted + 1));
        prop_assert!((0.0..=1.0).contains(&clean.0));
        prop_assert!(marred.0 <= clean.0 + 1e-9);
        if marred.2 && marred.0 > marred.1 {
            prop_assert!(right + later > 20 * outvoted, "believed again too soon");
        }
    }
}

#[test]
fn evidence_ages_once_a_day_and_no_clock_wipes_it() {
    let day = std::time::Duration::from_secs(86_400);
    let mut ledger = Ledger::new();
    ledger.record_many(node(1), 100, None);
    let checks = |ledger: &Ledger| ledger.history(&node(1)).checks();
    let before = checks(&ledger);
    let start = Time::from_micros(1_700_000_000_000_000);
    assert!(ledger.age_until(start), "from here on time counts");
    assert!(!ledger.age_until(start + day / 2));
    assert_eq!(checks(&ledger), before, "what nobody knew the age of is as new");
    assert!(ledger.age_until(start + 18 * day));
    let expected = before * (-0.1f64).exp2();
    assert!((checks(&ledger) - expected).abs() < 0.01 * expected);
    // The time is part of what is saved.
    let bytes = wire::encode(&ledger, 1 << 20).unwrap();
    let mut again: Ledger = wire::decode(&bytes, 1 << 20).unwrap();
    assert!(!again.age_until(start + 18 * day));
    assert!(!again.age_until(start), "a clock that goes back");
    assert!(again.age_until(start + 36_500 * day), "one that jumps a century");
    let half = checks(&ledger) / 2.0;
    assert!((checks(&again) - half).abs() < 0.01 * half);
}
