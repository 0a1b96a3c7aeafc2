use super::*;

mod population;
mod properties;
mod trust;

const ME: u8 = 0;
const A: Class = Class(0);
const B: Class = Class(1);

fn node(number: u8) -> NodeId {
    NodeId::from_bytes([number; 32])
}

fn groups(lengths: &[u32]) -> Vec<Vec<CellId>> {
    let mut next = 0..;
    lengths.iter().map(|&len| next.by_ref().take(len as usize).map(CellId).collect()).collect()
}

fn policy(quorum: u8, samples: u8) -> Policy {
    Policy { samples, ..Policy::with_quorum(quorum) }
}

/// What decides and judges, without what is told beside it.
fn plain(out: Vec<Verdict>) -> Vec<Verdict> {
    let beside =
        |verdict: &Verdict| matches!(verdict, Verdict::Passed { .. } | Verdict::Together { .. });
    let plain = |verdict| match verdict {
        Verdict::Right { worker, cell, .. } => {
            Verdict::Right { worker, cell, basis: Basis::Agreed }
        }
        verdict => verdict,
    };
    out.into_iter().filter(|verdict| !beside(verdict)).map(plain).collect()
}

/// A verifier whose verdicts are returned, of cells named by number.
struct Bench(Verifier);

impl Bench {
    fn new(policy: Policy, lengths: &[u32]) -> Self {
        Self(Verifier::new(policy, &groups(lengths), node(ME), 7))
    }

    fn vote(&mut self, cell: u32, worker: u8, class: Class) -> Vec<Verdict> {
        let mut out = Vec::new();
        self.0.vote(CellId(cell), node(worker), class, false, &mut out);
        plain(out)
    }

    fn refuted_vote(&mut self, cell: u32, worker: u8, class: Class) -> Vec<Verdict> {
        let mut out = Vec::new();
        self.0.vote(CellId(cell), node(worker), class, true, &mut out);
        plain(out)
    }

    fn sampled(&mut self, cell: u32, right: &[Class], wrong: &[Class]) -> Vec<Verdict> {
        let mut out = Vec::new();
        self.0.sampled(CellId(cell), right, wrong, &mut out);
        plain(out)
    }

    fn strike(&mut self, worker: u8) -> Vec<Verdict> {
        let mut out = Vec::new();
        self.0.strike(node(worker), &mut out);
        plain(out)
    }

    fn flush(&mut self) -> Vec<Verdict> {
        let mut out = Vec::new();
        self.0.flush(&mut out);
        plain(out)
    }

    fn assign(&mut self, cell: u32, worker: u8) {
        self.0.assign(CellId(cell), node(worker));
    }

    fn release(&mut self, cell: u32, worker: u8) {
        self.0.release(CellId(cell), node(worker));
    }

    fn demand(&self, cell: u32) -> u8 {
        self.0.demand(CellId(cell))
    }

    fn may_answer(&self, cell: u32, worker: u8) -> bool {
        self.0.may_answer(CellId(cell), node(worker))
    }
}

fn accepted(cell: u32, class: Class, how: How) -> Verdict {
    Verdict::Accepted { cell: CellId(cell), class, how }
}

fn right(cell: u32, worker: u8) -> Verdict {
    Verdict::Right { worker: node(worker), cell: CellId(cell), basis: Basis::Agreed }
}

fn wrong(cell: u32, worker: u8, proof: Proof) -> Verdict {
    Verdict::Wrong { worker: node(worker), cell: CellId(cell), proof }
}

fn retracted(cell: u32, class: Class, because: u8) -> Verdict {
    Verdict::Retracted { cell: CellId(cell), class, because: node(because) }
}

fn wanted(verdicts: &[Verdict]) -> Vec<u32> {
    let cell = |verdict: &Verdict| match verdict {
        Verdict::SampleWanted { cell, .. } => Some(cell.0),
        _ => None,
    };
    verdicts.iter().filter_map(cell).collect()
}

#[test]
fn a_quorum_accepts_and_judges_each_voter() {
    let mut bench = Bench::new(policy(2, 0), &[1]);
    assert_eq!(bench.vote(0, 1, B), []);
    assert_eq!(bench.vote(0, 2, A), []);
    assert_eq!(
        bench.vote(0, 3, A),
        [accepted(0, A, How::Quorum(2)), wrong(0, 1, Proof::Outvoted), right(0, 2), right(0, 3)]
    );
    assert!(bench.0.is_complete());
    assert_eq!(bench.0.accepted_class(CellId(0)), Some(A));
    assert_eq!((bench.0.stats().answers, bench.0.stats().accepted_quorum), (3, 1));
}

#[test]
fn a_worker_has_one_vote_for_each_cell() {
    let mut bench = Bench::new(policy(2, 0), &[2]);
    for _ in 0..3 {
        assert_eq!(bench.vote(0, 1, A), []);
    }
    assert!(bench.0.answered(CellId(0), node(1)) && !bench.0.answered(CellId(1), node(1)));
    assert_eq!(bench.0.voters(CellId(0)), [(node(1), A)]);
    assert_eq!((bench.0.stats().answers, bench.0.stats().ignored), (1, 2));
}

#[test]
fn the_submitters_answer_decides_alone_and_proves_others_wrong() {
    let mut bench = Bench::new(policy(3, 1), &[2]);
    bench.vote(0, 1, A);
    bench.vote(0, 2, A);
    assert_eq!(
        bench.vote(0, ME, B),
        [
            accepted(0, B, How::Trusted),
            wrong(0, 1, Proof::Trusted),
            wrong(0, 2, Proof::Trusted),
            right(0, ME)
        ]
    );
    assert_eq!(bench.vote(1, ME, A), [accepted(1, A, How::Trusted), right(1, ME)]);
    assert_eq!(bench.0.stats().samples_wanted, 0, "what the submitter computed needs no sample");
}

#[test]
fn incremental_hands_out_one_first_and_another_only_after_its_answer() {
    let mut bench = Bench::new(policy(3, 0), &[1]);
    assert_eq!(bench.demand(0), 1);
    bench.assign(0, 1);
    assert_eq!(bench.demand(0), 0);
    bench.vote(0, 1, A);
    assert_eq!(bench.demand(0), 2);
    bench.assign(0, 2);
    assert_eq!(bench.demand(0), 1);
    bench.vote(0, 2, B);
    assert_eq!(bench.demand(0), 2);
}

#[test]
fn all_at_once_hands_out_the_quorum_and_more_only_when_it_cannot_be_reached() {
    let all = Policy { schedule: Schedule::AllAtOnce, ..policy(3, 0) };
    let mut bench = Bench::new(all, &[1]);
    assert_eq!(bench.demand(0), 3);
    (1..=3).for_each(|worker| bench.assign(0, worker));
    assert_eq!(bench.demand(0), 0);
    bench.vote(0, 1, A);
    bench.vote(0, 2, A);
    assert_eq!(bench.demand(0), 0, "the third may still agree");
    bench.vote(0, 3, B);
    assert_eq!(bench.demand(0), 1);
}

#[test]
fn a_lease_that_ends_without_an_answer_is_wanted_again() {
    let mut bench = Bench::new(policy(2, 0), &[1]);
    bench.assign(0, 1);
    assert!(!bench.may_answer(0, 1));
    bench.release(0, 1);
    bench.release(0, 1);
    bench.release(0, 9);
    assert_eq!(bench.demand(0), 1);
    assert!(bench.may_answer(0, 1));
    assert_eq!(bench.0.links(), 0, "as if never touched");
}

#[test]
fn the_submitters_lease_satisfies_the_demand_alone() {
    let mut bench = Bench::new(policy(3, 0), &[1]);
    bench.vote(0, 1, A);
    bench.assign(0, ME);
    assert_eq!(bench.demand(0), 0);
    bench.release(0, ME);
    assert_eq!(bench.demand(0), 2);
}

#[test]
fn samples_are_chosen_when_each_cell_has_a_vote_and_nothing_is_accepted_before_they_are_back() {
    let mut bench = Bench::new(policy(1, 2), &[3, 1]);
    assert_eq!(bench.vote(0, 1, A), []);
    assert_eq!(bench.vote(1, 1, A), []);
    assert_eq!(bench.demand(0), 0, "waits for its sample only");
    let verdicts = bench.vote(2, 1, A);
    let cells = wanted(&verdicts);
    assert_eq!((verdicts.len(), cells.len()), (2, 2));
    assert_ne!(cells[0], cells[1]);
    assert_eq!(bench.sampled(cells[0], &[A], &[]), []);
    assert_eq!(bench.sampled(cells[0], &[A], &[]), [], "the same sample twice is one");
    let verdicts = bench.sampled(cells[1], &[A], &[]);
    for cell in 0..3 {
        assert!(verdicts.contains(&accepted(cell, A, How::Quorum(1))));
        assert!(verdicts.contains(&right(cell, 1)));
    }
    assert_eq!(bench.0.stats().samples_passed, 2);
    assert_eq!(bench.0.accepted_count(), 3);
}

#[test]
fn a_group_of_fewer_cells_than_samples_is_sampled_whole() {
    let mut bench = Bench::new(policy(1, 9), &[2]);
    bench.vote(0, 1, A);
    let mut cells = wanted(&bench.vote(1, 1, A));
    cells.sort();
    assert_eq!(cells, [0, 1]);
}

#[test]
fn a_refuted_worker_loses_its_votes_in_the_whole_group_and_may_not_answer_there_again() {
    let mut bench = Bench::new(policy(1, 1), &[3, 1]);
    bench.vote(0, 1, A);
    bench.vote(1, 1, A);
    let sample = wanted(&bench.vote(2, 1, A))[0];
    bench.vote(3, 1, A);
    assert_eq!(bench.sampled(sample, &[], &[A]), [wrong(sample, 1, Proof::Sample)]);
    for cell in 0..3 {
        assert_eq!(bench.demand(cell), 1);
        assert!(!bench.may_answer(cell, 1) && bench.may_answer(cell, 2));
        assert_eq!(bench.0.voters(CellId(cell)), []);
    }
    assert_eq!(bench.0.voters(CellId(3)), [(node(1), A)], "another gridlet is another matter");
    // No second round: the others decide at once.
    let other = (sample + 1) % 3;
    assert_eq!(bench.vote(other, 2, B), [accepted(other, B, How::Quorum(1)), right(other, 2)]);
    // An honest answer in the sampled cell: the lie had as many votes.
    assert_eq!(bench.vote(sample, 2, B), [accepted(sample, B, How::Sampled), right(sample, 2)]);
    assert_eq!(bench.0.stats().samples_failed, 1);
}

#[test]
fn a_refuted_class_is_never_accepted_whoever_votes_for_it() {
    let mut bench = Bench::new(policy(2, 1), &[1]);
    bench.vote(0, 1, A);
    bench.vote(0, 2, A);
    bench.vote(0, 3, B);
    assert_eq!(
        bench.sampled(0, &[B], &[A]),
        [wrong(0, 1, Proof::Sample), wrong(0, 2, Proof::Sample)]
    );
    assert_eq!(bench.refuted_vote(0, 4, A), [wrong(0, 4, Proof::Sample)]);
    assert_eq!(bench.vote(0, 5, A), [wrong(0, 5, Proof::Sample)], "even if the caller forgot");
    assert_eq!(bench.refuted_vote(0, ME, A), [Verdict::Hopeless { cell: CellId(0) }]);
    assert_eq!(bench.0.stats().contradictions, 1);
    let verdicts = bench.vote(0, 6, B);
    assert_eq!(verdicts, [accepted(0, B, How::Sampled), right(0, 3), right(0, 6)]);
}

#[test]
fn a_sample_that_cannot_be_computed_is_done_without_and_counted() {
    let mut bench = Bench::new(policy(1, 1), &[1]);
    let sample = wanted(&bench.vote(0, 1, A))[0];
    let mut out = Vec::new();
    bench.0.sample_failed(CellId(sample), &mut out);
    assert_eq!(plain(out), [accepted(0, A, How::Quorum(1)), right(0, 1)]);
    assert_eq!(bench.0.stats().samples_unavailable, 1);
}

#[test]
fn the_submitters_answer_takes_the_place_of_a_sample() {
    let mut bench = Bench::new(policy(1, 1), &[2]);
    bench.vote(0, 1, A);
    let sample = wanted(&bench.vote(1, 1, A))[0];
    let other = 1 - sample;
    let verdicts = bench.vote(sample, ME, A);
    assert!(verdicts.contains(&accepted(sample, A, How::Trusted)));
    assert!(verdicts.contains(&accepted(other, A, How::Quorum(1))));
    assert_eq!(bench.sampled(sample, &[], &[A]), [], "comes too late");
    assert_eq!(bench.0.stats().samples_moot, 1);
}

#[test]
fn two_quorums_that_no_sample_tells_apart_want_one_more_vote() {
    let mut bench = Bench::new(policy(2, 1), &[2]);
    for (worker, class) in [(1, A), (2, A), (3, B), (4, B)] {
        bench.vote(0, worker, class);
    }
    let sample = wanted(&bench.vote(1, 1, A));
    let mut out = Vec::new();
    bench.0.sample_failed(CellId(sample[0]), &mut out);
    assert_eq!(out, []);
    assert_eq!(bench.demand(0), 1);
    assert_eq!(bench.vote(0, 5, B)[0], accepted(0, B, How::Quorum(3)));
}

#[test]
fn a_struck_worker_counts_no_more_and_may_not_answer() {
    let mut bench = Bench::new(policy(2, 0), &[3]);
    bench.vote(0, 1, A);
    bench.assign(1, 1);
    bench.vote(2, 1, A);
    bench.vote(2, 2, A);
    assert_eq!(bench.demand(1), 0);
    assert_eq!(bench.strike(1), [retracted(2, A, 1)]);
    assert_eq!(bench.strike(1), []);
    assert_eq!((bench.demand(0), bench.demand(1)), (1, 1));
    assert_eq!(bench.0.voters(CellId(0)), []);
    assert_eq!(bench.vote(1, 1, A), []);
    assert!(!bench.may_answer(1, 1));
    assert!(!bench.0.is_accepted(CellId(2)), "its word was needed");
    assert_eq!(bench.0.stats().struck, 1);
    bench.strike(ME);
    assert_eq!(bench.vote(0, ME, A)[0], accepted(0, A, How::Trusted), "not the submitter");
}

#[test]
fn a_struck_workers_vote_does_not_open_the_sampling_of_its_group() {
    let mut bench = Bench::new(policy(1, 1), &[2]);
    bench.vote(0, 1, A);
    bench.strike(1);
    assert_eq!(bench.vote(1, 2, A), [], "cell 0 has no vote that counts");
    assert_eq!(wanted(&bench.vote(0, 2, A)).len(), 1);
}

#[test]
fn a_cell_is_hopeless_once_when_all_answers_are_spent_and_the_submitter_can_still_decide() {
    let mut bench = Bench::new(Policy { max_answers: 2, ..policy(2, 0) }, &[1]);
    bench.vote(0, 1, A);
    assert_eq!(bench.vote(0, 2, B), [Verdict::Hopeless { cell: CellId(0) }]);
    assert_eq!(bench.demand(0), 0);
    assert_eq!(bench.strike(1), []);
    assert!(bench.may_answer(0, ME));
    assert_eq!(
        bench.vote(0, ME, B),
        [accepted(0, B, How::Trusted), wrong(0, 1, Proof::Trusted), right(0, 2), right(0, ME)]
    );
    assert_eq!(bench.0.stats().hopeless, 1);
}

#[test]
fn void_votes_spend_answers() {
    let spare = Policy { max_answers: 2, schedule: Schedule::AllAtOnce, ..policy(2, 0) };
    let mut bench = Bench::new(spare, &[1]);
    bench.vote(0, 1, A);
    bench.strike(1);
    assert_eq!(bench.demand(0), 1, "only one answer is left");
    assert_eq!(bench.vote(0, 2, B), [Verdict::Hopeless { cell: CellId(0) }]);
}

#[test]
fn the_last_hope_that_is_released_is_reported_with_the_next_call() {
    let mut bench = Bench::new(Policy { max_answers: 2, ..policy(2, 0) }, &[1]);
    bench.assign(0, ME);
    bench.vote(0, 1, A);
    assert_eq!(bench.vote(0, 2, B), [], "the submitter still computes it");
    bench.release(0, ME);
    assert_eq!(bench.flush(), [Verdict::Hopeless { cell: CellId(0) }]);
    assert_eq!(bench.flush(), []);
}

#[test]
fn a_hopeless_cell_does_not_hold_up_its_groups_samples() {
    let mut bench = Bench::new(Policy { max_answers: 1, ..policy(1, 1) }, &[2]);
    bench.vote(0, 1, A);
    assert_eq!(bench.vote(1, 2, A).len(), 1);
    let mut bench = Bench::new(Policy { max_answers: 2, ..policy(2, 1) }, &[2]);
    bench.vote(0, 1, A);
    bench.vote(0, 2, A);
    assert_eq!(bench.strike(3), []);
    bench.assign(1, 4);
    bench.refuted_vote(1, 4, A);
    let verdicts = bench.refuted_vote(1, 5, B);
    assert!(verdicts.contains(&Verdict::Hopeless { cell: CellId(1) }));
    assert_eq!(wanted(&verdicts), [0]);
}

#[test]
fn late_answers_are_judged_once_and_only_under_a_lease() {
    let mut bench = Bench::new(policy(1, 0), &[1]);
    (1..=5).for_each(|worker| bench.assign(0, worker));
    bench.vote(0, 1, A);
    assert_eq!(bench.vote(0, 1, B), [], "it has voted");
    assert_eq!(bench.vote(0, 2, A), [right(0, 2)]);
    assert_eq!(bench.vote(0, 2, A), []);
    assert_eq!(bench.vote(0, 3, B), [wrong(0, 3, Proof::Outvoted)]);
    assert_eq!(bench.refuted_vote(0, 4, B), [wrong(0, 4, Proof::Sample)]);
    assert_eq!(bench.vote(0, 6, A), [], "holds no lease: may have voted before");
    bench.release(0, 5);
    assert_eq!(bench.vote(0, 5, A), []);
    bench.0.seal(CellId(0));
    assert_eq!(bench.0.links(), 0, "its votes are forgotten");
    assert_eq!(bench.0.stats().late, 3);
}

#[test]
fn a_late_answer_of_the_submitter_accuses_nobody_and_changes_nothing() {
    let mut bench = Bench::new(policy(1, 0), &[1]);
    bench.assign(0, ME);
    bench.vote(0, 1, A);
    assert_eq!(bench.vote(0, ME, B), []);
    assert_eq!(bench.0.accepted_class(CellId(0)), Some(A));
    assert_eq!(bench.0.stats().contradictions, 1);
}

#[test]
fn a_restored_cell_is_accepted_without_a_verdict_and_needs_no_vote_for_its_groups_samples() {
    let mut bench = Bench::new(policy(1, 1), &[2, 1]);
    bench.0.restore(CellId(0), B);
    bench.0.restore(CellId(0), A);
    bench.0.restore(CellId(2), A);
    assert_eq!((bench.0.accepted_count(), bench.demand(0)), (2, 0));
    assert_eq!(bench.0.accepted_class(CellId(0)), Some(B));
    assert_eq!(wanted(&bench.vote(1, 1, A)), [1]);
    assert_eq!(bench.sampled(1, &[A], &[])[0], accepted(1, A, How::Quorum(1)));
    assert!(bench.0.is_complete());
}

#[test]
fn which_cells_are_sampled_depends_on_the_seed_and_not_on_the_order_of_gridlets() {
    let choose = |seed: u64, first: u32| {
        let mut verifier = Verifier::new(policy(1, 1), &groups(&[64, 64]), node(ME), seed);
        let mut out = Vec::new();
        for cell in 0..128 {
            verifier.vote(CellId((cell + first) % 128), node(1), A, false, &mut out);
        }
        let mut cells = wanted(&out);
        cells.sort();
        cells
    };
    assert_eq!(choose(1, 0), choose(1, 64));
    assert!((2..10).any(|seed| choose(seed, 0) != choose(1, 0)));
}

#[test]
fn a_cell_without_open_votes_costs_at_most_16_bytes() {
    let in_members = size_of::<u32>();
    assert!(size_of::<Cell>() + in_members <= 16, "{}", size_of::<Cell>());
    assert!(size_of::<state::Link>() <= 24);
    assert!(size_of::<Group>() <= 20);
}

#[test]
fn votes_of_sealed_cells_give_their_memory_back() {
    let mut bench = Bench::new(policy(2, 0), &[10_000]);
    for cell in 0..10_000 {
        for worker in 1..=2 {
            bench.assign(cell, worker);
            bench.vote(cell, worker, A);
            bench.release(cell, worker);
        }
        bench.0.seal(CellId(cell));
    }
    assert!(bench.0.is_complete());
    assert_eq!(bench.0.book.high_water(), 2, "the same two served them all");
}

/// Prints the cost of a call; run with `--release --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn a_million_cells_of_ten_thousand_gridlets() {
    let cells = 1_000_000;
    let start = std::time::Instant::now();
    let mut bench = Bench::new(policy(2, 0), &vec![100; cells as usize / 100]);
    println!("new: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    let mut out = Vec::new();
    let mut seen = 0;
    for cell in (0..cells).map(CellId) {
        for worker in [1 + (cell.0 % 100) as u8, 101 + (cell.0 % 100) as u8] {
            seen += u32::from(bench.0.demand(cell));
            bench.0.assign(cell, node(worker));
            bench.0.vote(cell, node(worker), A, false, &mut out);
            bench.0.release(cell, node(worker));
        }
        out.clear();
    }
    assert!(bench.0.is_complete());
    println!("{seen} answers in {:?}", start.elapsed());
}

#[test]
fn one_answer_decides_what_a_relaxed_plan_does_once() {
    let mut v = Bench::new(policy(2, 0), &[2]);
    v.0.single(CellId(0));
    assert_eq!((v.demand(0), v.demand(1)), (1, 1));
    assert!(v.vote(0, 1, A).contains(&accepted(0, A, How::Quorum(1))));
    assert!(!v.vote(1, 1, A).contains(&accepted(1, A, How::Quorum(1))));
    assert_eq!(v.demand(1), 1);
}

#[test]
fn a_sample_refutes_what_only_one_has_answered() {
    let mut v = Bench::new(policy(2, 1), &[1]);
    v.0.single(CellId(0));
    let wanted = v.vote(0, 1, A);
    assert!(matches!(wanted[..], [Verdict::SampleWanted { .. }]), "{wanted:?}");
    v.sampled(0, &[], &[A]);
    assert!(!v.0.is_accepted(CellId(0)) && v.demand(0) == 1);
    v.assign(0, 2);
    let verdicts = v.vote(0, 2, B);
    assert!(v.0.is_accepted(CellId(0)), "{verdicts:?}");
}
