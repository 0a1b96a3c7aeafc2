//! Compute and load only.

use std::cmp::Ordering;

use crate::{Candidate, Policy};

/// Free compute first, as a ClassAds rank would have it (seed 004, 4.3, the policy that NCDA is compared with): a free
/// slot, then measured speed over load, then credibility, then the lowest id.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flops;

impl Policy for Flops {
    fn name(&self) -> &'static str {
        "flops"
    }

    fn choose(&mut self, candidates: &[Candidate<'_>], _cost: f64) -> Option<usize> {
        let ranked = candidates.iter().map(Rank::of).enumerate();
        ranked.max_by(|(_, a), (_, b)| a.compare(b)).map(|(place, _)| place)
    }
}

struct Rank<'a> {
    free: bool,
    speed: f64,
    credibility: f64,
    candidate: &'a Candidate<'a>,
}

impl<'a> Rank<'a> {
    fn of(candidate: &'a Candidate<'a>) -> Self {
        let ad = candidate.ad;
        // The ad is up to a heartbeat old; what this coordinator has there, it knows.
        let free = ad.free > 0 && candidate.outstanding < ad.slots;
        let load = f64::from(ad.load_milli) / 1000.0 / f64::from(ad.cores.max(1));
        let queue = f64::from(candidate.outstanding) / f64::from(ad.slots.max(1));
        // Not measured yet: the slowest there is, but still spread by load.
        let flops = ad.flops.max(1) as f64;
        Self {
            free,
            speed: flops / (1.0 + load + queue),
            // Nobody is its own liar.
            credibility: if candidate.local { 1.0 } else { candidate.credibility },
            candidate,
        }
    }

    /// Greater is better.
    fn compare(&self, other: &Self) -> Ordering {
        self.free
            .cmp(&other.free)
            .then(self.speed.total_cmp(&other.speed))
            .then(self.credibility.total_cmp(&other.credibility))
            .then(other.candidate.node.cmp(&self.candidate.node))
    }
}
