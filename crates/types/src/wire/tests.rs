use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::{Attempt, Hash, JobId, NodeId};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    job: JobId,
    attempt: Attempt,
    name: String,
    bytes: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    With { node: NodeId, hash: Hash, negative: i64 },
}

fn sample() -> Sample {
    Sample {
        job: JobId::from_u64(300),
        attempt: Attempt(7),
        name: "ü".into(),
        bytes: vec![0, 255],
        kind: Kind::Plain,
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Changes with the format: then [`VERSION`] has to.
#[test]
fn golden() {
    let frame = encode(&sample(), 100).unwrap();
    //                      version, 300, 7, length and ü, length and bytes, variant
    assert_eq!(hex(&frame), concat!("01", "ac02", "07", "02c3bc", "0200ff", "00"));
    let kind = Kind::With {
        node: NodeId::from_bytes([0xaa; 32]),
        hash: Hash::from_bytes([0xbb; 32]),
        negative: -2,
    };
    let frame = encode(&kind, 100).unwrap();
    assert_eq!(hex(&frame), format!("0101{}{}03", "aa".repeat(32), "bb".repeat(32)));
}

#[test]
fn a_frame_over_its_limit_is_refused_both_ways_and_one_at_it_is_not() {
    let frame = encode(&sample(), 100).unwrap();
    let found = frame.len();
    let limit = found - 1;
    assert_eq!(encode(&sample(), found), Ok(frame.clone()));
    assert_eq!(decode(&frame, found), Ok(sample()));
    assert_eq!(encode(&sample(), limit), Err(FrameError::TooLarge { found, limit }));
    assert_eq!(decode::<Sample>(&frame, limit), Err(FrameError::TooLarge { found, limit }));
}

#[test]
fn every_cut_is_noticed() {
    let frame = encode(&sample(), 100).unwrap();
    assert_eq!(decode::<Sample>(&[], 100), Err(FrameError::Empty));
    for end in 1..frame.len() {
        let cut = decode::<Sample>(&frame[..end], 100);
        assert!(matches!(cut, Err(FrameError::Malformed(_))), "{end}: {cut:?}");
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut frame = encode(&sample(), 100).unwrap();
    frame.extend([1, 2]);
    assert_eq!(decode::<Sample>(&frame, 100), Err(FrameError::Trailing(2)));
}

#[test]
fn every_other_version_is_refused_by_its_number() {
    let mut frame = encode(&sample(), 100).unwrap();
    for found in (0..=u8::MAX).filter(|version| *version != VERSION) {
        frame[0] = found;
        assert_eq!(decode::<Sample>(&frame, 100), Err(FrameError::Version { found }));
    }
    assert_eq!(
        FrameError::Version { found: 9 }.to_string(),
        "a frame of version 9, expected version 1"
    );
}

#[test]
fn a_length_that_lies_does_not_cost_memory() {
    // A vector of 2^63 bytes, it says, and then there are none.
    let mut frame = vec![VERSION];
    frame.extend([0xff; 8]);
    frame.push(0x7f);
    assert!(matches!(decode::<Vec<u8>>(&frame, 100), Err(FrameError::Malformed(_))));
    assert!(matches!(decode::<Vec<Sample>>(&frame, 100), Err(FrameError::Malformed(_))));
}

fn samples() -> impl Strategy<Value = Sample> {
    let with = |(node, hash, negative)| Kind::With {
        node: NodeId::from_bytes(node),
        hash: Hash::from_bytes(hash),
        negative,
    };
    let kinds = prop_oneof![Just(Kind::Plain), any::<([u8; 32], [u8; 32], i64)>().prop_map(with)];
    (any::<u64>(), any::<u64>(), any::<String>(), any::<Vec<u8>>(), kinds).prop_map(
        |(job, attempt, name, bytes, kind)| Sample {
            job: JobId::from_u64(job),
            attempt: Attempt(attempt),
            name,
            bytes,
            kind,
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(sample in samples()) {
        let frame = encode(&sample, 1 << 20).unwrap();
        prop_assert_eq!(decode(&frame, frame.len()), Ok(sample));
    }

    #[test]
    fn no_frame_panics(mut frame: Vec<u8>, versioned: bool) {
        if versioned {
            frame.insert(0, VERSION);
        }
        let _ = decode::<Sample>(&frame, 1 << 20);
    }
}
