//! Hash trees: a worker binds itself to its whole result before it learns which parts are looked at.
//!
//! After Du, Jia, Mangal and Murugesan, "Uncheatable Grid Computing" (ICDCS 2004), section 3:
//!
//! ```text
//!   worker                                   submitter
//!   digests of all leaves ─▶ [`Tree`]
//!             [`Commitment`] ──────────────▶ [`choose`]s leaves, from a seed of its own
//!                            ◀────────────── "leaves 17 and 4711"
//!   leaf + [`Proof`] each    ──────────────▶ [`Commitment::holds`], computes those leaves itself
//! ```
//!
//! A cheater that computed a share `h` of its leaves, and guesses the others with probability `g`, survives
//! `n` samples with probability `(h + (1 - h) g)^n` (their equation 1): [`survival`]. So many samples keep it below
//! `ε`: `n >= log ε / log (h + (1 - h) g)` (equation 2): [`samples_wanted`].
//!
//! Leaves and inner nodes are hashed under different prefixes, and the number of leaves into the root, so that
//! no inner node passes for a leaf and no tree for a shorter one. A level with an odd end hands it up as it is (RFC
//! 6962, section 2.1, without its fixed split).
//!
//! Invariants: a proof is checked in steps that the number of leaves fixes, whatever it says; nothing
//! here allocates by a number from outside before it was checked against [`LEAVES`].
//!
//! What it doesn't do: send anything, or compute leaves.

use outlast_types::Hash;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// Leaves of a tree at most: as the cells of a job (`limits::JOB_CELLS`), half a GiB of digests.
pub const LEAVES: u32 = 16 << 20;

/// Height of the largest tree: the longest proof.
const HEIGHT: usize = 24;

const LEAF: u8 = 0;
const NODE: u8 = 1;
const ROOT: u8 = 2;

/// A result that can't be committed to, or a leaf that isn't part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentError {
    /// A tree of nothing, or of more than fits.
    #[error("{found} leaves, expected 1 to {LEAVES}")]
    Leaves {
        /// How many there are.
        found: usize,
    },
    /// No such leaf.
    #[error("leaf {found}, expected one below {leaves}")]
    NoLeaf {
        /// What was asked for.
        found: u32,
        /// How many there are.
        leaves: u32,
    },
    /// A path of another length than the tree's.
    #[error("a proof of {found} steps, expected {expected}")]
    Steps {
        /// How long it is.
        found: usize,
        /// How long it has to be.
        expected: usize,
    },
    /// The leaf isn't what was committed to.
    #[error("leaf {leaf} is not the one that was committed to")]
    Broken {
        /// Which one.
        leaf: u32,
    },
}

/// What a worker says before it knows what is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// How many leaves it has computed.
    pub leaves: u32,
    /// The root of their tree.
    pub root: Hash,
}

/// The way from one leaf to the root: the other child at each step, from below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// At most 24.
    pub siblings: Vec<Hash>,
}

/// All levels, the leaves first: twice the memory of the digests.
#[derive(Clone, Debug)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

fn hash(kind: u8, parts: &[&[u8]]) -> Hash {
    let mut bytes = vec![kind];
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Hash::of(&bytes)
}

fn leaf_hash(digest: &Hash) -> Hash {
    hash(LEAF, &[digest.as_bytes()])
}

fn root_hash(leaves: u32, top: &Hash) -> Hash {
    hash(ROOT, &[&leaves.to_le_bytes(), top.as_bytes()])
}

impl Tree {
    /// Over the digests of the leaves, in order.
    ///
    /// # Errors
    /// If there are none, or more than [`LEAVES`].
    pub fn new(digests: &[Hash]) -> Result<Self, CommitmentError> {
        if digests.is_empty() || digests.len() > LEAVES as usize {
            return Err(CommitmentError::Leaves { found: digests.len() });
        }
        let mut levels = vec![digests.iter().map(leaf_hash).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let pair = |pair: &[Hash]| match pair {
                [left, right] => hash(NODE, &[left.as_bytes(), right.as_bytes()]),
                odd => odd[0],
            };
            let above = below.chunks(2).map(pair).collect();
            levels.push(above);
        }
        Ok(Self { levels })
    }

    /// What to send first.
    pub fn commit(&self) -> Commitment {
        let leaves = self.levels[0].len() as u32;
        let top = &self.levels[self.levels.len() - 1][0];
        Commitment { leaves, root: root_hash(leaves, top) }
    }

    /// The proof that a leaf is part of it.
    ///
    /// # Errors
    /// If there is no such leaf.
    pub fn open(&self, leaf: u32) -> Result<Proof, CommitmentError> {
        let leaves = self.levels[0].len() as u32;
        if leaf >= leaves {
            return Err(CommitmentError::NoLeaf { found: leaf, leaves });
        }
        let mut at = leaf as usize;
        let mut siblings = Vec::with_capacity(self.levels.len());
        for level in &self.levels[..self.levels.len() - 1] {
            siblings.extend(level.get(at ^ 1).copied());
            at /= 2;
        }
        Ok(Proof { siblings })
    }
}

impl Commitment {
    /// Whether it can be one at all: to ask before its leaves are chosen.
    ///
    /// # Errors
    /// If it is of no leaves, or of more than [`LEAVES`].
    pub fn check(&self) -> Result<(), CommitmentError> {
        match self.leaves {
            1..=LEAVES => Ok(()),
            found => Err(CommitmentError::Leaves { found: found as usize }),
        }
    }

    /// Whether the leaf of this digest is part of what was committed to.
    ///
    /// # Errors
    /// What is wrong with the proof.
    pub fn holds(&self, leaf: u32, digest: &Hash, proof: &Proof) -> Result<(), CommitmentError> {
        self.check()?;
        if leaf >= self.leaves {
            return Err(CommitmentError::NoLeaf { found: leaf, leaves: self.leaves });
        }
        let expected = steps(leaf, self.leaves);
        debug_assert!(expected <= HEIGHT);
        if proof.siblings.len() != expected {
            return Err(CommitmentError::Steps { found: proof.siblings.len(), expected });
        }
        let mut siblings = proof.siblings.iter();
        let (mut at, mut width) = (leaf, self.leaves);
        let mut here = leaf_hash(digest);
        while width > 1 {
            // The odd end of a level has no sibling, and goes up as it is.
            if at ^ 1 < width
                && let Some(sibling) = siblings.next()
            {
                let (left, right) = if at & 1 == 0 { (&here, sibling) } else { (sibling, &here) };
                here = hash(NODE, &[left.as_bytes(), right.as_bytes()]);
            }
            (at, width) = (at / 2, width.div_ceil(2));
        }
        match root_hash(self.leaves, &here) == self.root {
            true => Ok(()),
            false => Err(CommitmentError::Broken { leaf }),
        }
    }
}

/// Siblings on the way from a leaf to the root.
fn steps(leaf: u32, leaves: u32) -> usize {
    let (mut at, mut width, mut steps) = (leaf, leaves, 0);
    while width > 1 {
        steps += usize::from(at ^ 1 < width);
        (at, width) = (at / 2, width.div_ceil(2));
    }
    steps
}

/// The leaves to look at: so many different ones, or all if there are fewer, ascending. They depend on the seed,
/// which the worker doesn't know, and on the commitment, so that they are chosen after it whatever is said
/// when. None of a commitment that can't be one.
pub fn choose(commitment: &Commitment, seed: u64, samples: u32) -> Vec<u32> {
    if commitment.check().is_err() {
        return Vec::new();
    }
    let mixed = hash(ROOT, &[&seed.to_le_bytes(), commitment.root.as_bytes()]);
    let mut rng = ChaCha12Rng::from_seed(*mixed.as_bytes());
    let leaves = commitment.leaves;
    let mut chosen = std::collections::BTreeSet::new();
    // Floyd's sampling: one draw for each, no two alike.
    for end in leaves - samples.min(leaves)..leaves {
        let pick = ((u128::from(rng.next_u64()) * (u128::from(end) + 1)) >> 64) as u32;
        if !chosen.insert(pick) {
            chosen.insert(end);
        }
    }
    chosen.into_iter().collect()
}

/// The probability that a cheater who computed a share `honest` of the leaves, and guesses each other one
/// with probability `guess`, passes so many samples (Du et al., equation 1). Samples without
/// repetition, as [`choose`] takes them, find more.
pub fn survival(honest: f64, guess: f64, samples: u32) -> f64 {
    (honest + (1.0 - honest) * guess).powf(samples.into())
}

/// Samples that keep the survival of such a cheater below `epsilon` (Du et al., equation 2); `None` if no number does.
pub fn samples_wanted(honest: f64, guess: f64, epsilon: f64) -> Option<u32> {
    let passes = honest + (1.0 - honest) * guess;
    if !(passes < 1.0 && epsilon > 0.0) {
        return None;
    }
    let wanted = if passes <= 0.0 { 1.0 } else { (epsilon.ln() / passes.ln()).ceil().max(0.0) };
    (wanted <= f64::from(u32::MAX)).then_some(wanted as u32)
}

#[cfg(test)]
mod tests;
