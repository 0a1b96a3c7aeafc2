use proptest::prelude::*;

use super::*;

/// Bytes that don't repeat, from a seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    let mut bytes = vec![0; length];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn chunked(bytes: &[u8], portion: usize) -> Chunked {
    let mut chunker = Chunker::new();
    let mut early = Vec::new();
    for bytes in bytes.chunks(portion.max(1)) {
        early.extend_from_slice(chunker.push(bytes));
        assert!(chunker.buffer.capacity() <= 2 * BUFFER_BYTES);
    }
    let chunked = chunker.finish();
    if chunked.length > WHOLE_BYTES {
        assert!(chunked.list.chunks().starts_with(&early));
    }
    chunked
}

/// Changes with the cuts: then nobody finds again what he has.
#[test]
fn golden() {
    let bytes = noise(1 << 20, 1);
    let chunked = chunked(&bytes, 4096);
    let lengths: Vec<u32> = chunked.list.chunks().iter().map(|c| c.length).collect();
    assert_eq!(lengths, GOLDEN);
    let reference =
        v2020::FastCDC::new(&bytes, MIN_BYTES as usize, AVERAGE_BYTES as usize, MAX_BYTES as usize);
    assert_eq!(lengths, reference.map(|chunk| chunk.length as u32).collect::<Vec<_>>());
}

const GOLDEN: [u32; 12] =
    [76660, 159933, 188476, 66903, 40565, 71991, 79179, 82490, 17420, 84111, 66478, 114370];

#[test]
fn a_small_file_is_one_chunk_with_its_own_hash() {
    for length in [1, 17, MIN_BYTES as usize + 1, WHOLE_BYTES as usize] {
        let bytes = noise(length, 2);
        let chunked = chunked(&bytes, 1000);
        let expected = Chunk { hash: Hash::of(&bytes), length: length as u32 };
        assert_eq!(chunked.list.chunks(), [expected]);
        assert_eq!(Some(chunked.list), ChunkList::whole(expected.hash, length as u64));
    }
    let empty = Chunker::new().finish();
    assert_eq!((empty.hash, empty.length, empty.list.len()), (Hash::of(&[]), 0, 0));
    assert_eq!(ChunkList::whole(Hash::of(&[]), WHOLE_BYTES + 1), None);
}

#[test]
fn a_change_in_the_middle_leaves_the_other_chunks_as_they_were() {
    let mut bytes = noise(8 << 20, 3);
    let before = chunked(&bytes, 1 << 16);
    bytes.splice(4_000_000..4_000_000, *b"inserted");
    let after = chunked(&bytes, 1 << 16);
    let new = after.list.chunks().iter().filter(|c| !before.list.chunks().contains(c)).count();
    assert!((1..=3).contains(&new), "{new} of {} chunks are new", after.list.len());
}

#[test]
fn chunks_that_no_chunker_makes_are_refused() {
    let hash = Hash::of(b"file");
    let of = |lengths: &[u32]| lengths.iter().map(|&length| Chunk { hash, length }).collect();
    let list = |lengths: &[u32], length| ChunkList::new(of(lengths), hash, length);
    let whole = u64::from(MAX_BYTES);
    assert!(list(&[MAX_BYTES, 1], whole + 1).is_ok());
    let length = |index, found, least| Err(ListError::Length { index, found, least });
    assert_eq!(list(&[MAX_BYTES, 0], whole + 1), length(1, 0, 1));
    assert_eq!(list(&[MAX_BYTES + 1], whole + 1), length(0, MAX_BYTES + 1, 1));
    let found = MIN_BYTES - 1;
    assert_eq!(list(&[found, MAX_BYTES], whole + 1), length(0, found, MIN_BYTES));
    let sum = Err(ListError::Sum { expected: whole + 2, found: whole + 1 });
    assert_eq!(list(&[MAX_BYTES, 1], whole + 2), sum);
    assert_eq!(list(&[], whole + 1), Err(ListError::Sum { expected: whole + 1, found: 0 }));
    assert_eq!(list(&[5, 5], 10), Err(ListError::NotWhole { length: 10 }));
    let other = ChunkList::new(vec![Chunk { hash: Hash::of(b"x"), length: 10 }], hash, 10);
    assert_eq!(other, Err(ListError::NotWhole { length: 10 }));
    let found = FILE_BYTES + 1;
    assert_eq!(list(&[1], found), Err(ListError::File { found }));
}

#[test]
fn a_list_that_is_too_large_for_its_file_is_refused_before_it_is_read() {
    let frame = vec![wire::VERSION; ChunkList::encoded_limit(1 << 20) + 1];
    let found = ChunkList::decode(&frame, Hash::of(b""), 1 << 20);
    assert!(matches!(found, Err(ListError::Frame(FrameError::TooLarge { .. }))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn portions_make_no_difference(
        length in 0usize..3 << 20, seed: u64, portion in 1usize..2 << 20, flat: bool
    ) {
        let bytes = if flat { vec![7; length] } else { noise(length, seed) };
        let all = chunked(&bytes, length);
        prop_assert_eq!(&all, &chunked(&bytes, portion));
        prop_assert_eq!(all.hash, Hash::of(&bytes));
        prop_assert_eq!(all.length, length as u64);
        for (index, chunk) in all.list.chunks().iter().enumerate() {
            let range = all.list.range(index as u32).unwrap();
            prop_assert_eq!(all.list.at(range.start), Some(index as u32));
            prop_assert_eq!(all.list.at(range.end - 1), Some(index as u32));
            let bytes = &bytes[range.start as usize..range.end as usize];
            prop_assert_eq!(*chunk, Chunk { hash: Hash::of(bytes), length: bytes.len() as u32 });
        }
        prop_assert_eq!(all.list.at(length as u64), None);
        let frame = all.list.encode();
        prop_assert_eq!(ChunkList::decode(&frame, all.hash, all.length), Ok(all.list));
    }
}

proptest! {
    #[test]
    fn a_decoder_takes_any_bytes(bytes: Vec<u8>, length: u64) {
        let mut frame = vec![wire::VERSION];
        frame.extend(&bytes);
        for bytes in [&bytes, &frame] {
            if let Ok(list) = ChunkList::decode(bytes, Hash::of(b""), length) {
                prop_assert_eq!(list.length(), length);
            }
        }
    }

    #[test]
    fn a_list_that_was_changed_is_refused_or_another_list_of_that_length(
        lengths in prop::collection::vec(MIN_BYTES..=MAX_BYTES, 17..30),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let length = lengths.iter().map(|&l| u64::from(l)).sum();
        let chunk = |length: u32| Chunk { hash: Hash::of(&length.to_le_bytes()), length };
        let chunks = lengths.into_iter().map(chunk).collect();
        let file = Hash::of(b"file");
        let mut frame = ChunkList::new(chunks, file, length).unwrap().encode();
        for (at, to) in changes {
            let at = at.index(frame.len());
            frame[at] = to;
        }
        if let Ok(list) = ChunkList::decode(&frame, file, length) {
            prop_assert_eq!(list.length(), length);
            prop_assert_eq!(ChunkList::decode(&list.encode(), file, length), Ok(list));
        }
    }
}
