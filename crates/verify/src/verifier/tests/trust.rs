//! Credences, checks, cliques, trusted nodes, retractions and quizzes.

use super::*;

fn credible(max_error: f64, samples: u8) -> Policy {
    Policy { samples, sample_rate: 0.0, ..Policy::with_max_error(max_error) }
}

impl Bench {
    fn believe(&mut self, worker: u8, credence: f64) -> Vec<Verdict> {
        let mut out = Vec::new();
        self.0.believe(node(worker), credence, &mut out);
        plain(out)
    }

    /// Nothing is checked of these.
    fn known(&mut self, workers: &[u8], credence: f64) {
        for &worker in workers {
            self.believe(worker, credence);
            self.0.watch(node(worker), 0.0);
        }
    }
}

#[test]
fn one_credible_answer_is_enough_and_one_of_a_newcomer_is_not() {
    let mut bench = Bench::new(credible(0.01, 0), &[1, 1]);
    bench.known(&[1], 0.995);
    assert_eq!(bench.demand(0), 1);
    assert_eq!(bench.vote(0, 1, A), [accepted(0, A, How::Credible), right(0, 1)]);
    assert_eq!(bench.vote(1, 2, A), []);
    assert!(bench.demand(1) > 1, "strangers who agree make it slowly credible");
    assert!((bench.0.credibility(CellId(1)) - 0.65).abs() < 1e-9);
    let verdicts = bench.vote(1, 1, A);
    assert_eq!(verdicts[0], accepted(1, A, How::Credible));
}

#[test]
fn an_answer_that_waits_is_accepted_when_its_worker_is_believed() {
    let mut bench = Bench::new(credible(0.01, 0), &[2, 1]);
    bench.vote(0, 1, A);
    bench.vote(1, 1, B);
    assert_eq!(bench.believe(1, 0.9), []);
    let verdicts = bench.believe(1, 0.999);
    for wanted in [accepted(0, A, How::Credible), accepted(1, B, How::Credible), right(0, 1)] {
        assert!(verdicts.contains(&wanted));
    }
    assert_eq!(bench.demand(2), 1);
}

#[test]
fn a_dissenter_makes_an_answer_less_credible() {
    let mut bench = Bench::new(credible(0.01, 0), &[1]);
    bench.known(&[1, 2, 3], 0.98);
    bench.vote(0, 1, A);
    let before = bench.0.credibility(CellId(0));
    assert_eq!(bench.vote(0, 2, B), []);
    assert!(bench.0.credibility(CellId(0)) < 0.5 && before > 0.97);
    assert_eq!(bench.vote(0, 3, A), []);
    assert!(bench.demand(0) >= 1);
}

#[test]
fn newcomers_are_checked_the_trusted_are_not_and_contradictions_are() {
    let mut bench = Bench::new(credible(0.01, 1), &[1, 1]);
    bench.0.set_sample_power(1.0);
    assert_eq!(wanted(&bench.vote(0, 9, A)), [0], "of whom nothing is known");
    assert_eq!(bench.sampled(0, &[A], &[])[0], accepted(0, A, How::Credible));
    bench.known(&[1, 2], 0.9);
    assert_eq!(bench.vote(1, 1, A), []);
    assert_eq!(wanted(&bench.vote(1, 2, B)), [1]);
    assert_eq!(bench.demand(1), 0, "the check decides");
    let verdicts = bench.sampled(1, &[A], &[B]);
    assert_eq!(verdicts, [wrong(1, 2, Proof::Sample), accepted(1, A, How::Sampled), right(1, 1)]);
}

#[test]
fn a_passed_sample_is_told_at_once_and_makes_an_answer_as_credible_as_it_looked() {
    let mut bench = Bench::new(credible(0.01, 1), &[1]);
    bench.vote(0, 1, A);
    let mut out = Vec::new();
    bench.0.sampled(CellId(0), &[A], &[], &mut out);
    assert_eq!(out, [Verdict::Passed { worker: node(1), cell: CellId(0) }]);
    let odds = 0.35 / 0.65 * (1.0 - SAMPLE_POWER);
    assert!((bench.0.credibility(CellId(0)) - 1.0 / (1.0 + odds)).abs() < 1e-6);
    out.clear();
    bench.0.vote(CellId(0), node(2), A, false, &mut out);
    assert_eq!(out[0], Verdict::Passed { worker: node(2), cell: CellId(0) }, "it was compared too");
}

#[test]
fn no_error_at_all_means_that_each_cell_is_checked_or_computed_here() {
    let mut bench = Bench::new(credible(0.0, 1), &[2]);
    bench.known(&[1], 1.0);
    bench.vote(0, 1, A);
    assert_eq!(bench.demand(0), 0);
    let mut cells = wanted(&bench.vote(1, 1, A));
    cells.sort();
    assert_eq!(cells, [0, 1]);
    bench.sampled(0, &[A], &[]);
    let mut out = Vec::new();
    bench.0.sample_failed(CellId(1), &mut out);
    assert!(plain(out).contains(&Verdict::Hopeless { cell: CellId(1) }));
    assert_eq!(bench.0.accepted_class(CellId(0)), Some(A));
}

#[test]
fn when_all_is_answered_a_worker_who_lacks_few_checks_is_given_those() {
    let mut bench = Bench::new(credible(0.02, 1), &[1; 40]);
    bench.0.set_sample_power(1.0);
    bench.known(&[1], 0.97);
    let mut out = Vec::new();
    for cell in 0..40 {
        assert!(out.is_empty(), "not before");
        bench.0.vote(CellId(cell), node(1), A, false, &mut out);
    }
    let checks = wanted(&out);
    assert!((1..10).contains(&checks.len()), "{checks:?}");
    for cell in checks {
        bench.sampled(cell, &[A], &[]);
    }
    bench.believe(1, 0.99);
    assert!(bench.0.is_complete());
}

#[test]
fn another_trusted_node_counts_like_the_submitter_and_can_t_be_struck() {
    let mut bench = Bench::new(policy(3, 0), &[2]);
    bench.0.trust(node(8));
    bench.vote(0, 1, B);
    bench.assign(0, 8);
    assert_eq!(bench.demand(0), 0);
    assert_eq!(
        bench.vote(0, 8, A),
        [accepted(0, A, How::Trusted), wrong(0, 1, Proof::Trusted), right(0, 8)]
    );
    assert_eq!(bench.strike(8), []);
    assert_eq!(bench.vote(1, 8, A)[0], accepted(1, A, How::Trusted));
}

#[test]
fn those_who_lie_together_have_one_voice() {
    let mut bench = Bench::new(policy(2, 0), &[1, 1]);
    bench.0.set_clique(&[node(1), node(2)]);
    bench.vote(0, 1, B);
    assert_eq!(bench.vote(0, 2, B), []);
    bench.vote(0, 3, A);
    assert_eq!(bench.vote(0, 4, A)[0], accepted(0, A, How::Quorum(2)));
    let mut bench = Bench::new(credible(0.3, 0), &[1]);
    bench.0.set_clique(&[node(1), node(2)]);
    bench.vote(0, 1, B);
    let alone = bench.0.credibility(CellId(0));
    bench.vote(0, 2, B);
    assert_eq!(bench.0.credibility(CellId(0)), alone);
}

#[test]
fn who_gave_the_same_wrong_answer_is_named() {
    let mut bench = Bench::new(policy(3, 0), &[1]);
    let mut out = Vec::new();
    for (worker, class) in [(1, B), (2, B), (3, A), (4, A), (5, A)] {
        bench.0.vote(CellId(0), node(worker), class, false, &mut out);
    }
    let together = Verdict::Together {
        worker: node(2),
        other: node(1),
        cell: CellId(0),
        proof: Proof::Outvoted,
    };
    assert_eq!(out.iter().filter(|verdict| **verdict == together).count(), 1);
}

#[test]
fn what_hung_on_a_liars_word_is_open_again_and_the_rest_is_not() {
    let mut bench = Bench::new(policy(2, 0), &[1, 1, 1]);
    bench.vote(0, 1, B);
    bench.vote(0, 2, B);
    bench.assign(1, 3);
    bench.vote(1, 1, A);
    bench.vote(1, 2, A);
    bench.vote(1, 3, A);
    bench.vote(2, 1, B);
    bench.vote(2, ME, B);
    assert_eq!(
        bench.strike(1),
        [retracted(0, B, 1)],
        "two others agree on 1, and 2 is the submitter's"
    );
    assert_eq!((bench.demand(0), bench.0.accepted_count()), (1, 2));
    assert_eq!(bench.0.voters(CellId(0)), [(node(2), B)], "his word still counts");
    bench.vote(0, 4, A);
    assert_eq!(
        bench.vote(0, 5, A),
        [accepted(0, A, How::Quorum(2)), wrong(0, 2, Proof::Outvoted), right(0, 4), right(0, 5)]
    );
    assert_eq!(bench.0.stats().retracted, 1);
}

#[test]
fn a_retracted_cell_is_decided_at_once_by_what_others_had_said() {
    let mut bench = Bench::new(Policy { samples: 0, ..Policy::with_majority(3) }, &[1]);
    bench.assign(0, 4);
    bench.assign(0, 5);
    bench.vote(0, 1, B);
    bench.vote(0, 2, B);
    bench.vote(0, 4, A);
    bench.vote(0, 5, A);
    assert_eq!(
        bench.strike(1),
        [
            retracted(0, B, 1),
            accepted(0, A, How::Quorum(2)),
            right(0, 4),
            right(0, 5),
            wrong(0, 2, Proof::Outvoted)
        ]
    );
}

#[test]
fn what_is_sealed_stays() {
    let mut bench = Bench::new(policy(1, 0), &[2]);
    bench.vote(0, 1, B);
    bench.0.seal(CellId(0));
    bench.0.seal(CellId(1));
    assert_eq!(bench.strike(1), []);
    assert_eq!(bench.0.accepted_class(CellId(0)), Some(B));
    assert!(!bench.0.is_accepted(CellId(1)));
}

#[test]
fn a_quiz_is_a_checked_cell_that_the_worker_never_saw_and_never_sees_twice() {
    let mut bench = Bench::new(policy(1, 0), &[1, 1]);
    assert_eq!(bench.0.quizzable(node(2)), None);
    bench.vote(0, 1, A);
    assert_eq!(bench.0.quizzable(node(2)), None, "nobody checked it");
    bench.vote(1, ME, A);
    assert_eq!(bench.0.quizzable(node(2)), Some(CellId(1)));
    assert!(bench.0.assign_quiz(CellId(1), node(2)));
    let mut out = Vec::new();
    bench.0.vote(CellId(1), node(2), A, false, &mut out);
    assert_eq!(out, [Verdict::Right { worker: node(2), cell: CellId(1), basis: Basis::Quiz }]);
    bench.release(1, 2);
    assert!(!bench.0.assign_quiz(CellId(1), node(2)));
    assert_eq!(bench.0.quizzable(node(2)), None);
    // Given back without an answer: seen all the same.
    assert!(bench.0.assign_quiz(CellId(1), node(3)));
    bench.release(1, 3);
    assert!(!bench.0.assign_quiz(CellId(1), node(3)));
    // A wrong one.
    assert!(bench.0.assign_quiz(CellId(1), node(4)));
    assert_eq!(bench.vote(1, 4, B), [wrong(1, 4, Proof::Quiz)]);
    assert_eq!(bench.0.accepted_class(CellId(1)), Some(A), "nothing else changes");
    assert_eq!((bench.0.stats().quizzes_passed, bench.0.stats().quizzes_failed), (1, 1));
    // Of what nobody checked, another answer proves nothing.
    assert!(bench.0.assign_quiz(CellId(0), node(4)));
    assert_eq!(bench.vote(0, 4, B), [wrong(0, 4, Proof::Outvoted)]);
}

#[test]
fn a_quiz_whose_known_answer_was_a_lie_condemns_no_class() {
    let mut bench = Bench::new(Policy { samples: 1, ..Policy::with_quorum(1) }, &[1]);
    bench.0.set_sample_power(1.0);
    bench.vote(0, 1, B);
    // The sample was of the part that the liar left alone.
    bench.sampled(0, &[B], &[]);
    assert!(bench.0.is_accepted(CellId(0)) && bench.0.assign_quiz(CellId(0), node(2)));
    assert_eq!(bench.vote(0, 2, A), [wrong(0, 2, Proof::Quiz)]);
    assert_eq!(bench.strike(1), [retracted(0, B, 1)]);
    assert_eq!(bench.vote(0, ME, A)[0], accepted(0, A, How::Trusted));
}

#[test]
fn what_a_sample_saw_a_part_of_is_a_quiz_only_if_another_agreed() {
    let mut bench = Bench::new(Policy { samples: 1, ..Policy::with_quorum(1) }, &[1, 1]);
    for cell in [0, 1] {
        bench.vote(cell, 1, A);
    }
    bench.sampled(0, &[A], &[]);
    assert!(bench.0.is_accepted(CellId(0)));
    assert_eq!(bench.0.quizzable(node(2)), None, "the rest of it may be a lie");
    bench.0.set_sample_power(1.0);
    bench.sampled(1, &[A], &[]);
    assert_eq!(bench.0.quizzable(node(2)), Some(CellId(1)));
    let mut bench = Bench::new(Policy { samples: 1, ..Policy::with_quorum(2) }, &[1]);
    bench.vote(0, 1, A);
    bench.sampled(0, &[A], &[]);
    bench.vote(0, 2, A);
    assert_eq!(bench.0.quizzable(node(3)), Some(CellId(0)));
}

#[test]
fn the_load_chooses_the_schedule_and_a_busy_grid_hands_out_one_after_the_other() {
    let auto = Policy { schedule: Schedule::Auto, samples: 0, ..Policy::with_majority(5) };
    let mut bench = Bench::new(auto, &[1]);
    assert_eq!((bench.0.schedule(), bench.demand(0)), (Schedule::Incremental, 1));
    bench.0.set_load(Load { free: 50, waiting: 10, hurry: false });
    assert_eq!((bench.0.schedule(), bench.demand(0)), (Schedule::AllAtOnce, 5));
    bench.0.set_load(Load { free: 49, waiting: 10, hurry: false });
    assert_eq!(bench.0.schedule(), Schedule::Incremental);
    bench.vote(0, 1, A);
    assert_eq!(bench.demand(0), 2);
    bench.0.set_load(Load { free: 1, waiting: 10, hurry: false });
    assert_eq!(bench.demand(0), 1, "the other one can wait");
    bench.0.set_load(Load { free: 1, waiting: 10, hurry: true });
    assert_eq!((bench.0.schedule(), bench.demand(0)), (Schedule::AllAtOnce, 4));
}
