use super::*;

fn refused(policy: Policy, limits: &Limits) -> String {
    policy.validate(limits).unwrap_err().to_string()
}

#[test]
fn the_default_is_valid_and_asks_two_of_at_most_seven() {
    let policy = Policy::default();
    assert_eq!(policy.validate(&Limits::default()), Ok(()));
    assert_eq!((policy.quorum(), policy.max_answers, policy.samples), (2, 7, 1));
    assert_eq!(policy.schedule, Schedule::Incremental);
    for policy in [Policy::with_quorum(255), Policy::with_majority(5), Policy::with_max_error(0.1)]
    {
        assert_eq!(policy.validate(&Limits::default()), Ok(()));
    }
    assert_eq!((Policy::with_majority(5).quorum(), Policy::with_majority(4).quorum()), (3, 3));
}

#[test]
fn a_policy_that_cannot_decide_is_refused_with_what_was_found() {
    let any = Limits::default();
    assert_eq!(Policy::with_quorum(0).validate(&any), Err(PolicyError::NoQuorum));
    assert_eq!(Policy::with_majority(0).validate(&any), Err(PolicyError::NoQuorum));
    assert_eq!(
        refused(Policy { max_answers: 2, ..Policy::with_quorum(3) }, &any),
        "at most 2 answers for a cell, expected at least the quorum of 3"
    );
    for max_error in [-0.1, 0.5, f64::NAN, f64::INFINITY] {
        assert!(refused(Policy::with_max_error(max_error), &any).contains("below 0.5"));
    }
    for share in [-0.1, 1.1, f32::NAN] {
        let policy = Policy { sample_rate: share, ..Policy::default() };
        assert!(refused(policy, &any).ends_with("expected a number from 0 to 1"));
        let policy = Policy { quizzes: share, ..Policy::default() };
        assert!(refused(policy, &any).contains("quizzes, expected"));
    }
}

#[test]
fn certainty_is_promised_only_with_samples() {
    let certain = Policy::with_max_error(0.0);
    assert_eq!(certain.validate(&Limits::default()), Ok(()));
    let cannot = Limits { can_sample: false, ..Limits::default() };
    for (policy, limits) in
        [(Policy { samples: 0, ..certain }, Limits::default()), (certain, cannot)]
    {
        assert_eq!(policy.validate(&limits), Err(PolicyError::CertainWithoutSamples));
    }
}

#[test]
fn what_this_job_or_grid_cannot_do_is_refused_with_what_would_work() {
    let three = Limits { nodes: Some(3), ..Limits::default() };
    assert_eq!(
        refused(Policy::with_quorum(4), &three),
        "answers from 4 different nodes, but only 3 can give one; expected at most 3 (or more \
         nodes in the grid)"
    );
    assert_eq!(Policy::with_majority(3).validate(&three), Ok(()));
    let meshed = Policy { partitioning: Partitioning::Meshed, ..Policy::default() };
    let line = Limits { dimensions: 1, ..Limits::default() };
    assert!(refused(meshed, &line).ends_with("`overlapped` works along one"));
    let overlapped = Policy { partitioning: Partitioning::Overlapped, ..Policy::with_majority(5) };
    let short = Limits { gridlet_cells: 4, ..Limits::default() };
    assert!(refused(overlapped, &short).contains("expected at most 4 replicas"));
    let relaxed = Policy { partitioning: Partitioning::Relaxed { percent: 0 }, ..overlapped };
    assert!(refused(relaxed, &Limits::default()).contains("from 1 to 99"));
    let alone = Policy { partitioning: Partitioning::Overlapped, ..Policy::with_quorum(1) };
    assert_eq!(alone.validate(&Limits::default()), Err(PolicyError::NothingToCompare));
}
