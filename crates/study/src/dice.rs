//! Chance, from a seed.

use outlast_types::NodeId;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A stream of random numbers that depends on nothing but its seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of one run of a scenario.
    pub(crate) fn of_run(seed: u64, run: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(run);
        Self(rng)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 to below `bound`, which is above 0. Multiply and shift: the bias is below 2^-32.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// From 0 to below 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability >= 1.0 || (probability > 0.0 && self.share() < probability)
    }
}

/// The identity that a participant has for the `life`-th time: as random as a public key, and it can be told
/// whose it is.
pub(crate) fn identity(participant: u32, life: u32) -> NodeId {
    let mut bytes = [0; 32];
    let mut state = u64::from(participant) << 32 | u64::from(life);
    for chunk in bytes[..24].chunks_mut(8) {
        // splitmix64 (Steele, Lea, Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    bytes[24..28].copy_from_slice(&participant.to_le_bytes());
    bytes[28..].copy_from_slice(&life.to_le_bytes());
    NodeId::from_bytes(bytes)
}

/// Whose identity it is: participant and life.
pub(crate) fn owner(node: &NodeId) -> (u32, u32) {
    let bytes = node.as_bytes();
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    (word(24), word(28))
}

/// The submitter's identity: no participant.
pub(crate) fn submitter() -> NodeId {
    identity(u32::MAX, 0)
}
