//! Proofs that a leaf is part of what a worker committed to.

use std::sync::LazyLock;

use outlast_types::{Hash, limits, wire};
use outlast_verify::commitment::{Commitment, LEAVES, Proof, Tree, choose};

use super::frames::{encoded, same_again};

/// Leaves asked for at a time.
const SAMPLES: u32 = 16;

/// Trees of all shapes: one leaf, full levels, odd ends on one level and on several.
static TREES: LazyLock<Vec<(Vec<Hash>, Tree)>> = LazyLock::new(|| {
    let tree = |leaves: usize| {
        let digests: Vec<Hash> = (0..leaves).map(|leaf| Hash::of(&leaf.to_le_bytes())).collect();
        let tree = Tree::new(&digests).expect("a few leaves");
        (digests, tree)
    };
    [1, 2, 3, 7, 8, 21, 33].map(tree).into()
});

/// What a worker says: its commitment first, then a leaf with its digest and proof.
type Said = (Commitment, u32, Hash, Proof);

pub(super) fn commitment(bytes: &[u8]) {
    let Some((commitment, leaf, digest, proof)) = same_again::<Said>(bytes, limits::FRAME_BYTES)
    else {
        return;
    };
    let chosen = choose(&commitment, 7, SAMPLES);
    assert!(chosen.is_sorted() && chosen.iter().all(|leaf| *leaf < commitment.leaves));
    let possible = (1..=LEAVES).contains(&commitment.leaves);
    let expected = if possible { commitment.leaves.min(SAMPLES) } else { 0 };
    assert_eq!(chosen.len(), expected as usize);
    let holds = commitment.holds(leaf, &digest, &proof).is_ok();
    assert!(!holds || possible && leaf < commitment.leaves);
    let known = TREES.iter().find(|(_, tree)| tree.commit() == commitment);
    if let Some((digests, tree)) = known {
        let real = tree.open(leaf).ok().zip(digests.get(leaf as usize));
        let same = real.is_some_and(|(path, real)| path == proof && *real == digest);
        assert_eq!(holds, same, "leaf {leaf} of {}", commitment.leaves);
    }
}

pub(super) fn commitments() -> Vec<Vec<u8>> {
    let said = |(digests, tree): &(Vec<Hash>, Tree)| {
        let last = digests.len() as u32 - 1;
        [0, last / 2, last].map(|leaf| {
            let proof = tree.open(leaf).expect("it has this leaf");
            (tree.commit(), leaf, digests[leaf as usize], proof)
        })
    };
    let mut inputs = encoded(TREES.iter().flat_map(said));
    let huge = Commitment { leaves: u32::MAX, root: Hash::of(b"") };
    let proof = Proof { siblings: vec![Hash::of(b""); 24] };
    inputs.extend(wire::encode(&(huge, 5u32, Hash::of(b""), proof), limits::FRAME_BYTES));
    inputs
}
