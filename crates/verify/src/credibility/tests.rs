use super::*;

/// The worst share of lies by search, of a clique whose members passed so many checks each.
fn searched(prior: f64, checks: &[f64]) -> f64 {
    let k = odds(prior);
    let shares = (1..=20_000).map(|step| f64::from(step) / 20_000.0);
    let joint = |s: f64| checks.iter().fold(s, |odds, n| odds * k * (1.0 - s).powf(*n));
    shares.map(joint).fold(0.0, f64::max)
}

#[test]
fn no_share_of_lies_beats_the_bound_of_one_worker() {
    for prior in [0.05, 0.35] {
        for checks in [0.0, 1.0, 7.0, 100.0] {
            let (bound, found) = (odds(prior) * escape(checks), searched(prior, &[checks]));
            assert!(found <= bound * 1.000_001 && found > bound * 0.99, "{found} {bound}");
        }
    }
    assert!(escape(40.0) < 1.0 / (E * 40.0));
}

#[test]
fn no_share_of_lies_of_a_clique_beats_the_bound_of_a_group() {
    for prior in [0.1, 0.35] {
        for checks in [&[0.0, 0.0][..], &[5.0, 80.0], &[30.0, 30.0, 0.0]] {
            let mut joint = Joint::new(odds(prior));
            checks.iter().for_each(|n| joint.add(odds(prior) * escape(*n)));
            assert!(searched(prior, checks) <= joint.odds() * 1.000_001);
        }
    }
}

#[test]
fn enough_checks_are_enough_and_not_far_too_many() {
    for (prior, max_error) in [(0.35, 0.001), (0.1, 0.001), (0.35, 0.05), (0.01, 1e-6)] {
        let wanted = checks_wanted(prior, max_error);
        let error = |checks: f64| 1.0 - credence(odds(prior) * escape(checks));
        assert!(error(wanted) <= max_error, "{wanted}");
        assert!(wanted < 1.0 || error(wanted - 1.0) > max_error, "{wanted}");
    }
    assert_eq!(checks_wanted(0.001, 0.01), 0.0);
    assert!(checks_wanted(0.1, 0.0).is_infinite());
}

#[test]
fn sarmentas_group_credibility_is_the_conditional_probability() {
    // Two groups: one worker of 0.9 against two of 0.8, independent.
    let (a, b) = (0.9, [0.8, 0.8]);
    let (good_b, bad_b) = (b[0] * b[1], (1.0 - b[0]) * (1.0 - b[1]));
    let all_bad = (1.0 - a) * bad_b;
    let direct = a * bad_b / (all_bad + a * bad_b + good_b * (1.0 - a));
    let (odds_a, odds_b) = ((1.0 - a) / a, bad_b / good_b);
    let ours = group_credibility(odds_a, [odds_b].into_iter());
    assert!((direct - ours).abs() < 1e-12, "{direct} {ours}");
    assert_eq!(group_credibility(0.0, [0.5].into_iter()), 1.0);
}

#[test]
fn a_distrusted_member_makes_a_group_neither_better_nor_worse() {
    let mut joint = Joint::new(0.1);
    assert_eq!(joint.odds(), f64::INFINITY);
    joint.add(0.01);
    joint.add(19.0);
    assert!((joint.odds() - 0.01).abs() < 1e-12);
    joint.add(0.1);
    assert!((joint.odds() - 0.001).abs() < 1e-12);
}
