//! What should come out: closed forms, with their sources. None of it is used by the simulation.
//!
//! | what | formula | source |
//! | --- | --- | --- |
//! | majority of r | Σ_{k > r/2} C(r,k) f^k (1-f)^(r-k) | binomial; GINGER, figure 6 |
//! | m-first | f^m Σ_{j < m} C(m-1+j, j) (1-f)^j | Sarmenta 2002, section 3; negative binomial |
//! | spot checks, blacklist | s f (1-qs)^n / ((1-f) + f (1-qs)^n) | Sarmenta 2002, section 4 |
//! | credibility of k checks | 1 - f/k; blacklisting: 1 - f/((1-f) k e) | Sarmenta 2002, section 5 |
//! | group of agreeing answers | Π p_i / (Π p_i + Π (1-p_i)) | the same, for answers that collude (c = 1) |
//! | Merkle sampling | (r + (1-r) g)^m | Du, Jia, Mangal, Murugesan 2004, theorem 3 |
//!
//! f: share of liars; s: how often they lie; q: share of checks; n: answers of a worker; r: honestly computed
//! share; g: probability to guess a leaf; m: samples.

/// Probability that more than half of `r` answers are lies that match, workers being drawn from so many that it
/// makes no difference who is drawn already.
pub fn majority(r: u32, f: f64) -> f64 {
    (r / 2 + 1..=r)
        .map(|k| binomial(r, k) * f.powi(k as i32) * (1.0 - f).powi((r - k) as i32))
        .sum()
}

/// As [`majority`], for workers drawn from `participants`, each once at most: the hypergeometric tail.
pub fn majority_of(r: u32, participants: u32, colluders: u32) -> f64 {
    let honest = participants - colluders;
    (r / 2 + 1..=r).map(|k| draw(k, colluders, r - k, honest)).sum()
}

/// Probability that `m` lies match before `m` honest answers do.
pub fn first(m: u32, f: f64) -> f64 {
    let honest = |j: u32| binomial(m - 1 + j, j) * (1.0 - f).powi(j as i32);
    f.powi(m as i32) * (0..m).map(honest).sum::<f64>()
}

/// As [`first`], for workers drawn from `participants`, each once at most. The first `2m - 1` answers decide,
/// whether all of them are asked for or not.
pub fn first_of(m: u32, participants: u32, colluders: u32) -> f64 {
    majority_of(2 * m - 1, participants, colluders)
}

/// Share of wrong results accepted with spot checks and a blacklist, after each worker has given `n` answers.
pub fn spot_check(f: f64, s: f64, q: f64, n: f64) -> f64 {
    let escaped = f * (1.0 - q * s).powf(n);
    s * escaped / ((1.0 - f) + escaped)
}

/// How likely an answer is right of a worker that passed `k` checks.
pub fn credibility(f: f64, k: u32, blacklist: bool) -> f64 {
    match (k, blacklist) {
        (0, _) => 1.0 - f,
        (k, false) => 1.0 - f / f64::from(k),
        (k, true) => 1.0 - f / ((1.0 - f) * f64::from(k) * std::f64::consts::E),
    }
}

/// How likely an answer is right on which workers of these credibilities agree, if liars always agree.
pub fn group(credibilities: &[f64]) -> f64 {
    let right: f64 = credibilities.iter().product();
    let wrong: f64 = credibilities.iter().map(|p| 1.0 - p).product();
    right / (right + wrong)
}

/// Probability that `samples` leaves of a hash tree don't show that only a share `honest` was computed.
pub fn merkle(honest: f64, guess: f64, samples: u32) -> f64 {
    (honest + (1.0 - honest) * guess).powi(samples as i32)
}

/// Probability of exactly these numbers of lies and honest answers, drawn without putting back.
fn draw(lies: u32, liars: u32, truths: u32, honest: u32) -> f64 {
    if lies > liars || truths > honest {
        return 0.0;
    }
    let logs = ln_choose(liars, lies) + ln_choose(honest, truths);
    (logs - ln_choose(liars + honest, lies + truths)).exp()
}

fn binomial(n: u32, k: u32) -> f64 {
    ln_choose(n, k).exp()
}

/// Of a few dozen at most: summed, so that large populations lose nothing to rounding.
fn ln_choose(n: u32, k: u32) -> f64 {
    let k = k.min(n - k);
    (0..k).map(|i| (f64::from(n - i) / f64::from(i + 1)).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} and {b}");
    }

    #[test]
    fn small_cases_are_as_by_hand() {
        close(majority(1, 0.3), 0.3);
        close(majority(3, 0.3), 3.0 * 0.09 * 0.7 + 0.027);
        close(majority(5, 0.5), 0.5);
        close(majority_of(3, 3, 2), 1.0);
        close(majority_of(3, 4, 2), 0.5);
        close(first(2, 0.3), majority(3, 0.3));
        close(first(3, 0.2), majority(5, 0.2));
        close(spot_check(0.2, 1.0, 0.0, 50.0), 0.2);
        close(merkle(0.5, 0.0, 10), 0.5f64.powi(10));
        close(merkle(0.5, 0.5, 2), 0.75f64.powi(2));
        close(group(&[0.8, 0.8]), 0.64 / 0.68);
        close(credibility(0.2, 10, false), 0.98);
    }

    #[test]
    fn of_many_participants_a_draw_changes_nothing() {
        for r in [1, 3, 5, 9] {
            assert!((majority_of(r, 1_000_000, 300_000) - majority(r, 0.3)).abs() < 1e-5);
        }
    }
}
