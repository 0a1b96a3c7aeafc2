use super::*;

#[test]
fn the_default_is_valid_and_asks_two_of_at_most_seven() {
    let policy = Policy::default();
    assert_eq!(policy.validate(), Ok(()));
    assert_eq!((policy.quorum, policy.max_answers, policy.samples), (2, 7, 1));
    assert_eq!(policy.schedule, Schedule::Incremental);
    assert_eq!(Policy::with_quorum(255).validate(), Ok(()));
}

#[test]
fn a_policy_that_cannot_decide_is_refused_with_what_was_found() {
    assert_eq!(Policy::with_quorum(0).validate(), Err(PolicyError::NoQuorum));
    let policy = Policy { max_answers: 2, ..Policy::with_quorum(3) };
    let error = policy.validate().unwrap_err();
    assert_eq!(
        error.to_string(),
        "at most 2 answers for a cell, expected at least the quorum of 3"
    );
}
