use outlast_types::{CellId, wire};
use proptest::prelude::*;

use super::*;

fn node(number: u64) -> NodeId {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    NodeId::from_bytes(key)
}

#[test]
fn a_newcomer_is_believed_as_much_as_the_grid_has_honest_nodes_and_grows_with_right_answers() {
    let mut ledger = Ledger::new();
    let me = node(1);
    let newcomer = ledger.credibility(&me);
    assert!((newcomer - 0.65).abs() < 1e-9);
    let mut last = newcomer;
    for _ in 0..100 {
        assert_eq!(ledger.record(&Verdict::Right { worker: me, cell: CellId(0) }), None);
        assert!(ledger.credibility(&me) >= last);
        last = ledger.credibility(&me);
    }
    assert!((last - (1.0 - 0.35 / 100.0)).abs() < 1e-9);
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
    assert_eq!(ledger.credibility(&node(1)), LEAST_CREDIBILITY);
    for _ in 0..1000 {
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
fn a_ledger_survives_its_encoding() {
    let mut ledger = Ledger::new();
    ledger.record_many(node(1), 7, Some(Proof::Outvoted));
    ledger.blacklist(node(2));
    let frame = wire::encode(&ledger, 1 << 20).unwrap();
    assert_eq!(wire::decode::<Ledger>(&frame, 1 << 20), Ok(ledger));
}

proptest! {
    /// On–off liars gain nothing by behaving in between: the cost of a wrong answer stays.
    #[test]
    fn a_wrong_answer_costs_for_good(
        right in 0u64..10_000, later in 0u64..10_000, outvoted in 0u64..50
    ) {
        let clean = History { right: right + later, outvoted, ..History::default() };
        let marred = History { outvoted: outvoted + 1, ..clean };
        prop_assert!((0.0..=1.0).contains(&clean.credibility()));
        prop_assert!(marred.credibility() <= clean.credibility());
        let newcomer = History::default().credibility();
        if marred.too_often_outvoted() {
            prop_assert!(marred.credibility() <= newcomer);
        }
    }
}
