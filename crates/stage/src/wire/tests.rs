use outlast_types::wire::VERSION;
use proptest::prelude::*;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn hash(byte: u8) -> Hash {
    Hash::from_bytes([byte; 32])
}

/// The request as the other end gets it.
fn sent(request: &Request) -> Result<Request, WireError> {
    let bytes = request.encode()?;
    let (prefix, frame) = bytes.split_at(PREFIX_BYTES);
    let length = frame_length(prefix.try_into().unwrap(), REQUEST_BYTES)?;
    assert_eq!(length, frame.len());
    Request::decode(frame)
}

/// Change with the format: then the frames' version has to.
#[test]
fn golden_requests() {
    let of = |request: Request| hex(&request.encode().unwrap());
    let aa = "aa".repeat(32);
    let bb = "bb".repeat(32);
    //                                                 length, version, variant
    assert_eq!(of(Request::List { blob: hash(0xaa) }), format!("22000000{}{aa}", "0100"));
    let blobs = vec![hash(0xaa), hash(0xbb)];
    let have = of(Request::Have { blobs: blobs.clone() });
    assert_eq!(have, format!("43000000{}02{aa}{bb}", "0101"));
    let runs = vec![Run { start: 3, count: 1 }, Run { start: 300, count: 2 }];
    let pieces = of(Request::Pieces { blob: hash(0xaa), runs });
    assert_eq!(pieces, format!("28000000{}{aa}02{}{}", "0102", "0301", "ac0202"));
    assert_eq!(
        of(Request::Blobs { blobs: blobs.clone() }),
        format!("43000000{}02{aa}{bb}", "0103")
    );
    assert_eq!(of(Request::Holders { blobs }), format!("43000000{}02{aa}{bb}", "0104"));
}

#[test]
fn golden_answers() {
    assert_eq!(hex(&ListAnswer::Missing.encode()), "020000000100");
    assert_eq!(hex(&ListAnswer::Whole { length: 5 }.encode()), "03000000010105");
    let chunks = ListAnswer::Chunks { length: 300, list: 7 };
    assert_eq!(hex(&chunks.encode()), "050000000102ac0207");
    let mut bitmap = Bitmap::none(9);
    bitmap.set(0);
    bitmap.set(8);
    let haves = [Have::None, Have::All, Have::Some(bitmap)];
    assert_eq!(hex(&Have::encode(&haves).unwrap()), "09000000010300010209020101");
    let node = NodeId::from_bytes([0xcc; 32]);
    let holders = encode_holders(&[vec![], vec![node]]).unwrap();
    assert_eq!(hex(&holders), format!("2400000001020001{}", "cc".repeat(32)));
    assert_eq!(hex(&PieceHeader::Found(0x0102).encode()), "0002010000");
    assert_eq!(hex(&PieceHeader::Missing.encode()), "0100000000");
}

#[test]
fn a_request_for_too_much_or_nothing_is_refused_at_both_ends() {
    let many = |number| (0..number).map(|n: usize| Hash::of(&n.to_le_bytes())).collect::<Vec<_>>();
    let single = |number: u32| (0..number).map(|n| Run { start: 2 * n, count: 1 }).collect();
    for (limit, of) in [
        (HAVE_BLOBS, (|blobs| Request::Have { blobs }) as fn(Vec<Hash>) -> Request),
        (BLOBS, |blobs| Request::Blobs { blobs }),
        (HOLDERS_BLOBS, |blobs| Request::Holders { blobs }),
        (PIECES, |blobs| {
            let runs = (0..blobs.len() as u32).map(|n| Run { start: 2 * n, count: 1 }).collect();
            Request::Pieces { blob: hash(1), runs }
        }),
    ] {
        assert_eq!(sent(&of(many(limit))), Ok(of(many(limit))));
        for number in [0, limit + 1] {
            let request = of(many(number));
            assert!(matches!(request.encode(), Err(WireError::Number { .. })), "{number}");
            let frame = frames::encode(&request, 1 << 20).unwrap();
            assert!(Request::decode(&frame).is_err(), "{number}");
        }
    }
    let runs: Vec<Run> = single(3);
    assert_eq!(indexes(&runs).collect::<Vec<_>>(), [0, 2, 4]);
}

#[test]
fn runs_ascend_and_do_not_touch_or_overflow() {
    let check = |runs: &[(u32, u32)]| {
        let runs = runs.iter().map(|&(start, count)| Run { start, count }).collect();
        Request::Pieces { blob: hash(1), runs }.check()
    };
    assert_eq!(check(&[(0, 2), (3, 1)]), Ok(()));
    for (bad, start) in [
        (&[(0, 2), (2, 1)][..], 2),
        (&[(5, 1), (1, 1)], 1),
        (&[(5, 0)], 5),
        (&[(u32::MAX, 1)], u32::MAX),
        (&[(1, u32::MAX)], 1),
    ] {
        assert_eq!(check(bad), Err(WireError::Runs { start }), "{bad:?}");
    }
    let huge = Err(WireError::Number { what: "pieces", found: 1 << 30, limit: PIECES as u64 });
    assert_eq!(check(&[(0, 1 << 30)]), huge);
}

#[test]
fn an_answer_has_the_parts_and_lengths_of_its_request() {
    let frame = |haves: &[Have]| Have::encode(haves).unwrap()[PREFIX_BYTES..].to_vec();
    let haves = [Have::All, Have::Some(Bitmap::none(3))];
    assert_eq!(Have::decode(&frame(&haves), &[7, 3]), Ok(haves.to_vec()));
    let parts = Err(WireError::Parts { expected: 1, found: 2 });
    assert_eq!(Have::decode(&frame(&haves), &[7]), parts);
    let bitmap = Err(WireError::Bitmap { expected: 4, found: 3 });
    assert_eq!(Have::decode(&frame(&haves), &[7, 4]), bitmap);

    let decode = |header: PieceHeader, expected| PieceHeader::decode(header.encode(), expected);
    assert_eq!(decode(PieceHeader::Found(5), 5), Ok(PieceHeader::Found(5)));
    assert_eq!(decode(PieceHeader::Missing, 5), Ok(PieceHeader::Missing));
    let length = Err(WireError::Length { expected: 4, found: 5 });
    assert_eq!(decode(PieceHeader::Found(5), 4), length);
    assert_eq!(PieceHeader::decode([2, 0, 0, 0, 0], 0), Err(WireError::Status(2)));
    assert!(PieceHeader::decode([MISSING, 1, 0, 0, 0], 1).is_err());

    let list = ListAnswer::Chunks { length: 1 << 20, list: u32::MAX };
    let large = ListAnswer::decode(&list.encode()[PREFIX_BYTES..], 1 << 20);
    assert!(matches!(large, Err(WireError::Frame(FrameError::TooLarge { .. }))));
    let other = ListAnswer::decode(&list.encode()[PREFIX_BYTES..], 5);
    assert_eq!(other, Err(WireError::Length { expected: 5, found: 1 << 20 }));

    let named = vec![NodeId::from_bytes([1; 32]); HOLDERS + 3];
    let holders = encode_holders(&[named]).unwrap();
    let decoded = decode_holders(&holders[PREFIX_BYTES..], 1).unwrap();
    assert_eq!(decoded[0].len(), HOLDERS);
    assert!(decode_holders(&holders[PREFIX_BYTES..], 2).is_err());
}

#[test]
fn a_length_over_the_limit_is_refused_before_anything_is_read() {
    assert_eq!(frame_length(prefix(7), 7), Ok(7));
    let large = FrameError::TooLarge { found: 8, limit: 7 };
    assert_eq!(frame_length(prefix(8), 7), Err(large.into()));
}

/// The largest answers fit into their frames.
#[test]
fn an_answer_about_the_largest_file_or_the_most_blobs_fits() {
    let largest = Bitmap::all(HAVE_PIECES as u32);
    assert!(Have::encode(&[Have::Some(largest)]).is_ok());
    let each = HAVE_PIECES as u32 / HAVE_BLOBS as u32;
    let many = vec![Have::Some(Bitmap::none(each)); HAVE_BLOBS];
    assert!(Have::encode(&many).is_ok());
    let all = vec![vec![NodeId::from_bytes([1; 32]); HOLDERS]; HOLDERS_BLOBS];
    assert!(encode_holders(&all).is_ok());
}

fn hashes(limit: usize) -> impl Strategy<Value = Vec<Hash>> {
    prop::collection::vec(any::<[u8; 32]>().prop_map(Hash::from_bytes), 1..=limit)
}

fn any_request() -> impl Strategy<Value = Request> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(|blob| Request::List { blob: Hash::from_bytes(blob) }),
        hashes(HAVE_BLOBS).prop_map(|blobs| Request::Have { blobs }),
        hashes(BLOBS).prop_map(|blobs| Request::Blobs { blobs }),
        hashes(HOLDERS_BLOBS).prop_map(|blobs| Request::Holders { blobs }),
        prop::collection::btree_set(0u32..1 << 22, 1..=PIECES)
            .prop_map(|set| Request::Pieces { blob: hash(7), runs: runs(set) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_request_arrives_as_it_was_sent(request in any_request()) {
        prop_assert_eq!(sent(&request), Ok(request));
    }

    #[test]
    fn runs_have_the_pieces_that_they_were_made_of(
        set in prop::collection::btree_set(0u32..600, 0..300)
    ) {
        let runs = runs(set.iter().copied());
        prop_assert!(indexes(&runs).eq(set.iter().copied()));
        prop_assert_eq!(check_runs(&runs), Ok(set.len() as u64));
    }

    #[test]
    fn a_request_that_was_cut_or_changed_is_refused_or_another_one(
        request in any_request(), at: prop::sample::Index, to: u8, cut: bool
    ) {
        let mut frame = request.encode().unwrap().split_off(PREFIX_BYTES);
        let at = at.index(frame.len());
        if cut {
            frame.truncate(at);
            prop_assert!(Request::decode(&frame).is_err());
        } else {
            frame[at] = to;
            if let Ok(found) = Request::decode(&frame) {
                prop_assert!(found.check().is_ok());
            }
        }
    }
}

proptest! {
    #[test]
    fn decoders_take_any_bytes(bytes: Vec<u8>, number in 0usize..20, length: u64) {
        let mut frame = vec![VERSION];
        frame.extend(&bytes);
        for bytes in [&bytes, &frame] {
            let _ = Request::decode(bytes);
            let _ = ListAnswer::decode(bytes, length);
            let _ = Have::decode(bytes, &vec![number as u32; number]);
            let _ = decode_holders(bytes, number);
        }
        if let Some(&header) = bytes.first_chunk() {
            let _ = PieceHeader::decode(header, length as u32);
        }
    }
}
