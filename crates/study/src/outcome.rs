//! What came of a run, and of many.

use serde::{Deserialize, Serialize};

/// What one run gave. Amounts of work are in gridlets until the run ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Share of the work for which a wrong answer stands at the end of its job.
    pub accepted_wrong: f64,
    /// Share of the wrong answers that were held wrong; 1 if there were none. What came when it was of no use any
    /// more is not counted.
    pub detected: f64,
    /// Work done for each result: answers, leases that came to nothing, samples, quizzes, and what the submitter
    /// computed itself.
    pub copies: f64,
    /// Time of all jobs, in ordinary gridlets on an ordinary machine.
    pub makespan: f64,
    /// Share of the honest answers that were held wrong.
    pub blamed: f64,
    /// Identities that were excluded.
    pub expelled: u64,
    /// Gridlets of all jobs.
    #[serde(skip)]
    pub(crate) gridlets: f64,
    #[serde(skip)]
    pub(crate) lies: f64,
    #[serde(skip)]
    pub(crate) truths: f64,
    #[serde(skip)]
    pub(crate) caught: f64,
}

impl Outcome {
    /// A run of these parts, which went on at the same time.
    pub fn of_parts(parts: &[Self]) -> Self {
        if let [part] = parts {
            return *part;
        }
        let sum = |value: fn(&Self) -> f64| parts.iter().map(value).sum::<f64>();
        let mean = |value: fn(&Self) -> f64, weight: fn(&Self) -> f64, none: f64| {
            let all: f64 = parts.iter().map(weight).sum();
            let weighted = parts.iter().map(|part| value(part) * weight(part)).sum::<f64>();
            if all > 0.0 { weighted / all } else { none }
        };
        Self {
            accepted_wrong: mean(|o| o.accepted_wrong, |o| o.gridlets, 0.0),
            detected: mean(|o| o.detected, |o| o.lies, 1.0),
            copies: mean(|o| o.copies, |o| o.gridlets, 0.0),
            makespan: parts.iter().map(|o| o.makespan).fold(0.0, f64::max),
            blamed: mean(|o| o.blamed, |o| o.truths, 0.0),
            expelled: parts.iter().map(|o| o.expelled).sum(),
            gridlets: sum(|o| o.gridlets),
            lies: sum(|o| o.lies),
            truths: sum(|o| o.truths),
            caught: sum(|o| o.caught),
        }
    }

    /// Amounts become shares.
    pub(crate) fn finish(&mut self, gridlets: f64) {
        self.gridlets = gridlets;
        self.accepted_wrong /= gridlets;
        self.copies /= gridlets;
        self.detected = if self.lies > 0.0 { self.caught / self.lies } else { 1.0 };
        self.blamed = if self.truths > 0.0 { self.blamed / self.truths } else { 0.0 };
    }
}

/// A mean over runs, and where the true one is with 95 % confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What many runs of a scenario gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Share of the work for which a wrong answer was accepted.
    pub accepted_wrong: Estimate,
    /// Share of the wrong answers that were held wrong.
    pub detected: Estimate,
    /// Copies of the work that were computed.
    pub copies: Estimate,
    /// Time, in ordinary gridlets on an ordinary machine.
    pub makespan: Estimate,
    /// Share of the honest answers that were held wrong.
    pub blamed: Estimate,
    /// Runs.
    pub runs: u32,
}

impl Summary {
    /// Of these runs.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let estimate = |value: fn(&Outcome) -> f64| {
            Estimate::of(&outcomes.iter().map(value).collect::<Vec<_>>())
        };
        let share = |value: fn(&Outcome) -> f64, trials: fn(&Outcome) -> f64| {
            estimate(value).or_wilson(outcomes.iter().map(trials).sum())
        };
        Self {
            accepted_wrong: share(|o| o.accepted_wrong, |o| o.gridlets),
            detected: share(|o| o.detected, |o| o.lies),
            copies: estimate(|o| o.copies),
            makespan: estimate(|o| o.makespan),
            blamed: share(|o| o.blamed, |o| o.truths),
            runs: outcomes.len() as u32,
        }
    }
}

impl Estimate {
    /// Student's t-interval for the mean of these values, which are independent; of a single one nothing is known
    /// but itself.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        if values.is_empty() {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let error = if values.len() > 1 { (squares / (n - 1.0) / n).sqrt() } else { 0.0 };
        let half = t95(values.len()) * error;
        Self { mean, low: mean - half, high: mean + half }
    }

    /// For a share of so many trials: not narrower than Wilson's interval (1927). What was seen in no run, or in
    /// one, varies between runs less than it should.
    fn or_wilson(self, trials: f64) -> Self {
        if trials < 1.0 {
            return self;
        }
        let p = self.mean.clamp(0.0, 1.0);
        let square = Z * Z / trials;
        let middle = (p + square / 2.0) / (1.0 + square);
        let half = Z * ((p * (1.0 - p) + square / 4.0) / trials).sqrt() / (1.0 + square);
        // At the ends the interval is exact, and rounding must not move it away from them.
        let low = if p == 0.0 { 0.0 } else { self.low.min(middle - half).max(0.0) };
        let high = if p == 1.0 { 1.0 } else { self.high.max(middle + half).min(1.0) };
        Self { low, high, ..self }
    }

    /// Whether the value lies in the interval, or outside by less than what floating point loses.
    pub fn holds(&self, value: f64) -> bool {
        let slack = 1e-12 * value.abs().max(1.0);
        (self.low - slack..=self.high + slack).contains(&value)
    }
}

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The 97.5 % quantile of Student's distribution for a mean of `n` values. Hill's expansion around the
/// normal one (Abramowitz and Stegun 26.7.5); off by 0.004 at most from 6 values on; tabled below.
fn t95(n: usize) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 12.706,
        3 => 4.303,
        4 => 3.182,
        5 => 2.776,
        _ => {
            let v = (n - 1) as f64;
            let first = (Z.powi(3) + Z) / 4.0;
            let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
            let third = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0;
            Z + first / v + second / (v * v) + third / v.powi(3)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        for (n, expected) in [(6, 2.571), (11, 2.228), (31, 2.042), (1001, 1.962)] {
            assert!((t95(n) - expected).abs() < 0.004, "{n}: {}", t95(n));
        }
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(estimate.mean, 3.0);
        assert!((estimate.high - 4.963).abs() < 0.001);
        assert_eq!(Estimate::of(&[2.0]), Estimate { mean: 2.0, low: 2.0, high: 2.0 });
    }

    #[test]
    fn what_was_never_seen_may_still_happen() {
        let none = Estimate::of(&[0.0; 10]).or_wilson(1000.0);
        assert_eq!(none.low, 0.0);
        assert!((0.003..0.005).contains(&none.high), "{none:?}");
    }
}
