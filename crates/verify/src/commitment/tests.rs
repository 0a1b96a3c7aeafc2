use proptest::prelude::*;

use super::*;

fn digests(count: usize) -> Vec<Hash> {
    (0..count).map(|leaf| Hash::of(&leaf.to_le_bytes())).collect()
}

#[test]
fn each_leaf_of_each_tree_is_proven_and_no_other() {
    for count in 1..70usize {
        let digests = digests(count);
        let tree = Tree::new(&digests).unwrap();
        let commitment = tree.commit();
        for leaf in 0..count as u32 {
            let proof = tree.open(leaf).unwrap();
            assert_eq!(commitment.holds(leaf, &digests[leaf as usize], &proof), Ok(()));
            let forged = Hash::of(b"forged");
            assert_eq!(
                commitment.holds(leaf, &forged, &proof),
                Err(CommitmentError::Broken { leaf })
            );
            let elsewhere = (leaf + 1) % count as u32;
            if elsewhere != leaf {
                assert!(commitment.holds(elsewhere, &digests[leaf as usize], &proof).is_err());
            }
        }
        let beyond = count as u32;
        assert!(matches!(tree.open(beyond), Err(CommitmentError::NoLeaf { .. })));
    }
}

#[test]
fn a_tree_of_nothing_or_too_much_is_refused() {
    assert_eq!(Tree::new(&[]).unwrap_err(), CommitmentError::Leaves { found: 0 });
    let root = Hash::of(b"");
    for leaves in [0, LEAVES + 1, u32::MAX] {
        let commitment = Commitment { leaves, root };
        assert!(commitment.check().is_err());
        assert!(choose(&commitment, 1, 10).is_empty());
        let proof = Proof { siblings: vec![root; 24] };
        assert!(commitment.holds(0, &root, &proof).is_err());
    }
}

#[test]
fn an_inner_node_is_no_leaf_and_the_number_of_leaves_is_bound() {
    let two = Tree::new(&digests(2)).unwrap();
    let four = Tree::new(&digests(4)).unwrap();
    // The upper half of the tree of four, given out as a tree of two.
    let inner = Proof { siblings: vec![four.levels[1][1]] };
    let shorter = Commitment { leaves: 2, root: four.commit().root };
    assert!(shorter.holds(0, &four.levels[1][0], &inner).is_err());
    assert!(two.commit().root != four.commit().root);
    let same_top = Commitment { leaves: 3, ..four.commit() };
    let proof = four.open(0).unwrap();
    assert_eq!(same_top.holds(0, &digests(1)[0], &proof), Err(CommitmentError::Broken { leaf: 0 }));
}

#[test]
fn which_leaves_are_asked_for_hangs_on_the_seed_and_the_commitment() {
    let commitment = Tree::new(&digests(1000)).unwrap().commit();
    let other = Tree::new(&digests(1001)).unwrap().commit();
    let chosen = choose(&commitment, 1, 20);
    assert_eq!(chosen.len(), 20);
    assert!(chosen.is_sorted_by(|a, b| a < b) && chosen[19] < 1000);
    assert_eq!(choose(&commitment, 1, 20), chosen);
    assert_ne!(choose(&commitment, 2, 20), chosen);
    assert_ne!(choose(&other, 1, 20), chosen);
    assert_eq!(choose(&commitment, 1, 5000).len(), 1000, "all there are");
}

#[test]
fn a_cheater_survives_as_du_et_al_say() {
    assert!((survival(0.5, 0.0, 10) - 1.0 / 1024.0).abs() < 1e-12);
    // Their example: half of the work, guesses of one half, 33 samples for 0.0001.
    assert_eq!(samples_wanted(0.5, 0.5, 0.0001), Some(33));
    assert_eq!(samples_wanted(0.5, 0.0, 0.0001), Some(14));
    assert_eq!(samples_wanted(1.0, 0.0, 0.1), None);
    // Measured: 1000 trees of 200 leaves, half of them forged, 4 samples each.
    let survivors = (0..1000u64).filter(|seed| {
        let root = Hash::of(&seed.to_le_bytes());
        let forged = |leaf: u32| leaf % 2 == 1;
        !choose(&Commitment { leaves: 200, root }, *seed, 4).into_iter().any(forged)
    });
    let share = survivors.count() as f64 / 1000.0;
    assert!((share - survival(0.5, 0.0, 4)).abs() < 0.03, "{share}");
}

proptest! {
    /// Whatever comes from outside: an error, never a panic, and never a forged leaf.
    #[test]
    fn no_proof_from_outside_holds(
        leaves: u32, leaf: u32, root: [u8; 32], siblings in prop::collection::vec(any::<[u8; 32]>(), 0..30)
    ) {
        let commitment = Commitment { leaves, root: Hash::from_bytes(root) };
        let proof = Proof { siblings: siblings.into_iter().map(Hash::from_bytes).collect() };
        prop_assert!(commitment.holds(leaf, &Hash::of(b"leaf"), &proof).is_err());
    }
}
