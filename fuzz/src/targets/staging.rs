//! Staging: lists of inputs, lists of chunks, and the bytes of the transfer protocol.

use outlast_stage::bitmap::{self, Bitmap};
use outlast_stage::chunks::{Chunk, ChunkList, Chunker, FILE_BYTES};
use outlast_stage::tree::{self, Entry, Kind, Limits, Tree};
use outlast_stage::wire::{self as transfer, Have, ListAnswer, PieceHeader, Request, Run};
use outlast_types::{Hash, NodeId};

use crate::bytes::Bytes;

/// What a strict node would allow.
const FEW: Limits = Limits { entries: 8, file_bytes: 1000, total_bytes: 2000 };

pub(super) fn tree(bytes: &[u8]) {
    let Ok(tree) = Tree::decode(bytes, &Limits::default()) else {
        assert!(Tree::decode(bytes, &FEW).is_err(), "what is allowed to few is allowed to many");
        return;
    };
    let entries = tree.entries();
    for pair in entries.windows(2) {
        assert!(tree::path_order(&pair[0].path, &pair[1].path).is_lt(), "{pair:?}");
    }
    for entry in entries {
        tree::check_path(&entry.path).expect("a tree has good paths only");
        assert!(!entry.path.starts_with('/') && entry.path.split('/').all(|part| part != ".."));
        assert_eq!(tree.get(&entry.path), Some(entry));
        if let Kind::Symlink { target } = &entry.kind {
            assert!(stays_inside(&entry.path, target), "{entry:?}");
        }
    }
    let again = tree.encode().expect("what was decoded can be encoded");
    assert_eq!(Tree::decode(&again, &Limits::default()).as_ref(), Ok(&tree));
    if let Ok(few) = Tree::decode(bytes, &FEW) {
        assert!(few.entries().len() <= FEW.entries && few.bytes() <= FEW.total_bytes);
    }
}

/// Without looking at other links: a target never climbs out of the root by its own dots.
fn stays_inside(path: &str, target: &str) -> bool {
    let mut depth = path.split('/').count() as i64 - 1;
    !target.starts_with('/')
        && target.split('/').all(|part| {
            depth += match part {
                ".." => -1,
                "" | "." => 0,
                _ => 1,
            };
            depth >= 0
        })
}

pub(super) fn trees() -> Vec<Vec<u8>> {
    let file = |path: &str, length| Entry {
        path: path.to_owned(),
        kind: Kind::File { hash: Hash::of(path.as_bytes()), length, executable: length > 5 },
    };
    let link = |path: &str, target: &str| Entry {
        path: path.to_owned(),
        kind: Kind::Symlink { target: target.to_owned() },
    };
    let folder = |path: &str| Entry { path: path.to_owned(), kind: Kind::Folder };
    let trees = [
        vec![],
        vec![file("a", 3), file("b", 1 << 40 >> 10)],
        vec![folder("d"), file("d/a", 7), folder("d/e"), link("d/e/l", "../a"), link("z", "d/e/l")],
        vec![folder("x"), link("x/y", "../x"), link("loop", "loop2"), link("loop2", "x")],
    ];
    let encode = |entries| Tree::new(entries, &Limits::default()).ok()?.encode().ok();
    trees.into_iter().filter_map(encode).collect()
}

/// The first 8 bytes are the file's length.
pub(super) fn chunk_list(bytes: &[u8]) {
    let Some((length, frame)) = bytes.split_first_chunk() else { return };
    let (hash, length) = (Hash::of(b"file"), u64::from_le_bytes(*length));
    let Ok(list) = ChunkList::decode(frame, hash, length) else { return };
    assert!(list.length() == length && length <= FILE_BYTES);
    assert!(frame.len() <= ChunkList::encoded_limit(length));
    let mut end = 0;
    for index in 0..list.len() {
        let range = list.range(index).expect("as many as it says");
        assert!(range.start == end && range.end > end);
        assert_eq!((list.at(range.start), list.at(range.end - 1)), (Some(index), Some(index)));
        end = range.end;
    }
    assert!(end == length && list.range(list.len()).is_none() && list.at(length).is_none());
    assert_eq!(ChunkList::decode(&list.encode(), hash, length), Ok(list));
}

pub(super) fn chunk_lists() -> Vec<Vec<u8>> {
    let mut chunker = Chunker::new();
    let mut seeds = Vec::new();
    for number in 0..100_u32 {
        chunker.push(Hash::of(&number.to_le_bytes()).as_bytes().repeat(400).as_slice());
    }
    let large = chunker.finish();
    seeds.push((large.length, large.list));
    for length in [0, 5, 1 << 18] {
        let whole = ChunkList::whole(Hash::of(b"file"), length);
        seeds.extend(whole.map(|list| (length, list)));
    }
    let chunk = |length| Chunk { hash: Hash::of(b"c"), length };
    let many = ChunkList::new(vec![chunk(200_000), chunk(100_000)], Hash::of(b"file"), 300_000);
    seeds.extend(many.ok().map(|list| (300_000, list)));
    let join =
        |(length, list): (u64, ChunkList)| [&length.to_le_bytes()[..], &list.encode()].concat();
    seeds.into_iter().map(join).collect()
}

/// Two bytes of length, then the bits.
pub(super) fn bitmap(bytes: &[u8]) {
    let Some((length, bits)) = bytes.split_first_chunk() else { return };
    let length = u32::from(u16::from_le_bytes(*length));
    let Ok(mut bitmap) = Bitmap::from_bytes(length, bits.to_vec()) else { return };
    assert!(bitmap.len() == length && bitmap.as_bytes().len() == bitmap::size(length));
    let set: Vec<u32> = bitmap.iter().collect();
    assert!(set.iter().all(|&bit| bit < length && bitmap.get(bit)));
    assert!(set.len() == bitmap.count() as usize && set.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(bitmap.is_all(), set.len() == length as usize);
    assert!(!bitmap.get(length) && !bitmap.get(u32::MAX));
    for bit in &set {
        bitmap.clear(*bit);
    }
    assert_eq!(bitmap, Bitmap::none(length));
}

pub(super) fn bitmaps() -> Vec<Vec<u8>> {
    let of = |length: u16, bits: &[u8]| [&length.to_le_bytes(), bits].concat();
    vec![of(0, &[]), of(9, &[0xff, 1]), of(16, &[0, 0x80]), of(8, &[255]), of(300, &[0; 38])]
}

pub(super) fn request(bytes: &[u8]) {
    let Ok(request) = Request::decode(bytes) else { return };
    assert!((1..=transfer::HAVE_BLOBS.max(transfer::PIECES)).contains(&request.parts()));
    if let Request::Pieces { runs, .. } = &request {
        let all: Vec<u32> = transfer::indexes(runs).collect();
        assert!(all.len() == request.parts() && all.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(transfer::runs(all), *runs);
    }
    let again = request.encode().expect("what was decoded can be encoded");
    let (prefix, frame) = again.split_first_chunk().expect("it has a prefix");
    assert_eq!(transfer::frame_length(*prefix, transfer::REQUEST_BYTES), Ok(frame.len()));
    assert_eq!(Request::decode(frame), Ok(request));
}

pub(super) fn requests() -> Vec<Vec<u8>> {
    let blob = Hash::of(b"b");
    let blobs = vec![blob, Hash::of(b"c")];
    let runs = vec![Run { start: 0, count: 3 }, Run { start: 9, count: 1 }];
    let all = [
        Request::List { blob },
        Request::Have { blobs: blobs.clone() },
        Request::Pieces { blob, runs },
        Request::Blobs { blobs: blobs.clone() },
        Request::Holders { blobs },
    ];
    all.iter().map(|request| request.encode().expect("a good request").split_off(4)).collect()
}

/// The first byte says which answer it is, the next ones what is expected.
pub(super) fn answer(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let (kind, expected) = (bytes.below(4), bytes.number());
    let frame = bytes.rest();
    match kind {
        0 => {
            if let Ok(ListAnswer::Whole { length } | ListAnswer::Chunks { length, .. }) =
                ListAnswer::decode(frame, expected)
            {
                assert_eq!(length, expected);
            }
        }
        1 => {
            let pieces: Vec<u32> = (0..expected.min(40)).map(|n| (n * 5) as u32).collect();
            let Ok(haves) = Have::decode(frame, &pieces) else { return };
            assert_eq!(haves.len(), pieces.len());
            for (have, pieces) in haves.iter().zip(&pieces) {
                assert!(matches!(have, Have::All) || !have.get(*pieces));
            }
            let again = Have::encode(&haves).expect("what was decoded can be encoded");
            assert_eq!(Have::decode(&again[4..], &pieces), Ok(haves));
        }
        2 => {
            let expected = expected.min(64) as usize;
            let Ok(holders) = transfer::decode_holders(frame, expected) else { return };
            assert!(holders.len() == expected);
            assert!(holders.iter().all(|nodes| nodes.len() <= transfer::HOLDERS));
        }
        _ => {
            let Some(header) = frame.first_chunk() else { return };
            let expected = expected as u32;
            match PieceHeader::decode(*header, expected) {
                Ok(PieceHeader::Found(length)) => assert_eq!(length, expected),
                Ok(PieceHeader::Missing) => assert_eq!(header[1..], [0; 4]),
                Err(_) => {}
            }
        }
    }
}

pub(super) fn answers() -> Vec<Vec<u8>> {
    let of = |kind: u8, expected: u8, frame: &[u8]| [&[kind, expected], frame].concat();
    let haves = [Have::None, Have::All, Have::Some(Bitmap::all(10))];
    let haves = Have::encode(&haves).expect("a small answer").split_off(4);
    let nodes = vec![vec![NodeId::from_bytes([1; 32]); 3], Vec::new()];
    let holders = transfer::encode_holders(&nodes).expect("a small answer").split_off(4);
    vec![
        of(0, 7, &ListAnswer::Whole { length: 7 }.encode()[4..]),
        of(0, 39, &ListAnswer::Chunks { length: 39, list: 30 }.encode()[4..]),
        of(0, 0, &ListAnswer::Missing.encode()[4..]),
        of(1, 3, &haves),
        of(2, 2, &holders),
        of(3, 30, &PieceHeader::Found(30).encode()),
        of(3, 30, &PieceHeader::Missing.encode()),
    ]
}
