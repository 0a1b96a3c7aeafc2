//! Which node gets the next gridlet: placement policies without I/O.
//!
//! The coordinator says who may be chosen: nodes that are up, believed, and have [`room`]. A
//! [`Policy`] picks one. The same calls give the same answers; ties go to the lowest id, whatever the
//! order of the candidates.
//!
//! What an ad says is believed for placement only: who boasts gets work, and has to do it.

mod flops;
mod round_robin;

use outlast_types::{Ad, NodeId};

pub use flops::Flops;
pub use round_robin::RoundRobin;

/// A node that may be given work.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Which.
    pub node: NodeId,
    /// What it offers.
    pub ad: &'a Ad,
    /// How far its answers are believed, from 0 to 1.
    pub credibility: f64,
    /// Leases that this coordinator already has there.
    pub outstanding: u32,
    /// It is the coordinator's own node.
    pub local: bool,
}

/// A way to choose.
pub trait Policy: Send {
    /// As it is named in settings and reports.
    fn name(&self) -> &'static str;

    /// The place of the chosen one among `candidates`, for work of `cost` (in the application's
    /// unit). None if there is nobody to choose.
    fn choose(&mut self, candidates: &[Candidate<'_>], cost: f64) -> Option<usize>;
}

/// How many more leases a candidate may be given: its slots, and `prefetch` to have at hand when one of
/// them is done, less what it has. None if it is leaving or doesn't work for others.
pub fn room(candidate: &Candidate<'_>, prefetch: u32) -> u32 {
    let ad = candidate.ad;
    if ad.draining || ad.slots == 0 {
        return 0;
    }
    ad.slots.saturating_add(prefetch).saturating_sub(candidate.outstanding)
}

#[cfg(test)]
mod tests;
