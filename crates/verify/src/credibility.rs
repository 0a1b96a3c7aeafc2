//! How much an answer is to be believed: pure formulas, after Sarmenta ("Sabotage-tolerance
//! mechanisms for volunteer computing systems", Future Generation Computer Systems 18, 2002).
//!
//! All are in **odds**: `odds = P(bad) / P(good)`, so that evidence multiplies. `f` is the share of
//! liars in the population, `k = f / (1 - f)` its odds.
//!
//! **One worker.** A liar that falsifies a share `s` of its answers passes `n` checks with probability
//! `(1 - s)^n`, and is thrown out at the first one it fails. Its next answer is then wrong with odds of
//! at most
//!
//! ```text
//!   odds(n) = k * max_s s (1 - s)^n = k * n^n / (n + 1)^(n + 1)        about k / (e n)
//! ```
//!
//! whatever `s` is (Sarmenta, section 4.2, spot checks with blacklisting: `f / ((1 - f) e n)`).
//! That is [`escape`] times `k`; a newcomer (`n = 0`) has the odds of the population.
//!
//! **A group that agrees.** Sarmenta (section 5.3) compares the groups of one work entry as
//!
//! ```text
//!   CrG(Ga) = P(Ga good, others bad) / (P(all bad) + sum_i P(Gi good, others bad))
//! ```
//!
//! with `P(G good) = prod CrP` and `P(G bad) = prod (1 - CrP)`. Divided by `P(all bad)` this is
//! [`group_credibility`]. The product for `P(G bad)` holds for workers that err independently.
//! Colluders choose the *same* entries to falsify: once one of them lies here, all of them do. Then
//! the members' odds are not `prod odds(n_i)`, but, over all shares `s` that the clique may choose,
//!
//! ```text
//!   odds(G) = max_s s * prod k (1 - s)^n_i  <=  k^(m - 1) * min_i odds(n_i)
//! ```
//!
//! which is [`Joint`]: the best-known member's odds, and for each other one those that it is a
//! colluder at all, however many checks it passed.
//!
//! What it doesn't do: remember (see [`Ledger`](crate::Ledger)), or decide (see
//! [`Verifier`](crate::Verifier)).

use std::f64::consts::E;

/// `max_s s (1 - s)^n`: how much of its answers a liar gets past `checks` checks, were it to choose
/// the best share. From 1 (no check) down.
pub fn escape(checks: f64) -> f64 {
    let n = checks.max(0.0);
    if n == 0.0 {
        return 1.0;
    }
    (n * n.ln() - (n + 1.0) * (n + 1.0).ln()).exp()
}

/// Checks after which one worker's answers are wrong with a probability of at most `max_error`, if a
/// share `prior` of the workers lies: `n* = k (1 - ε) / (e ε)`. Infinite for an error of 0.
pub fn checks_wanted(prior: f64, max_error: f64) -> f64 {
    if odds(prior) <= odds(max_error) {
        return 0.0;
    }
    odds(prior) / (E * odds(max_error))
}

/// Odds of a probability below 1.
pub fn odds(probability: f64) -> f64 {
    probability / (1.0 - probability)
}

/// The probability of being good at these odds of being bad.
pub fn credence(odds: f64) -> f64 {
    1.0 / (1.0 + odds)
}

/// The probability that the group of these odds is right and all others wrong, among groups that
/// contradict each other (Sarmenta's CrG). `others`: their odds, without its own.
pub fn group_credibility(own: f64, others: impl Iterator<Item = f64>) -> f64 {
    if own <= 0.0 {
        return 1.0;
    }
    let good: f64 = others.map(|odds| 1.0 / odds.max(LEAST_ODDS)).sum();
    (1.0 / own) / (1.0 + 1.0 / own + good)
}

/// No worker is more certain than this: one that passed a hundred million checks.
const LEAST_ODDS: f64 = 1e-9;

/// The odds that all members of an agreeing group lie, as its members are added one by one.
#[derive(Clone, Copy, Debug)]
pub struct Joint {
    /// Odds of the population, `k`.
    prior: f64,
    best: f64,
    /// Product of what each member adds as a further one.
    product: f64,
    /// What the best one added to the product, which it isn't.
    bests: f64,
}

impl Joint {
    /// An empty group in a population of these odds.
    pub fn new(prior: f64) -> Self {
        Self { prior, best: f64::INFINITY, product: 1.0, bests: 1.0 }
    }

    /// Adds a worker of these odds.
    pub fn add(&mut self, odds: f64) {
        let odds = odds.max(LEAST_ODDS);
        // Somebody less credible than a newcomer confirms less; nobody's word makes a lie likelier.
        let further = self.prior.max(odds).min(1.0).max(self.prior.min(1.0));
        self.product *= further;
        if odds < self.best {
            (self.best, self.bests) = (odds, further);
        }
    }

    /// The group's odds; infinite for nobody.
    pub fn odds(&self) -> f64 {
        match self.best.is_finite() {
            true => self.best * self.product / self.bests,
            false => f64::INFINITY,
        }
    }
}

#[cfg(test)]
mod tests;
