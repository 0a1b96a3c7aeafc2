//! Comparators: as texts of the user's, and what they make of strangers' files.

use std::io;

use outlast_gridlet::compare::{Comparator, CompareError};
use outlast_gridlet::{Blobs, CellOutput, Content, OutFile};
use outlast_types::{CellId, Hash};

use super::pictures;
use crate::bytes::Bytes;

/// Answers here carry their files.
struct NoBlobs;

impl Blobs for NoBlobs {
    fn read(&self, _: &Hash) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

pub(super) const WORDS: &[&str] = &[
    "bytes",
    "numbers",
    "image",
    "frames",
    "command",
    ":",
    ",",
    "=",
    "abs",
    "rel",
    "format",
    "csv",
    "json",
    "text",
    "auto",
    "channel",
    "psnr",
    "ssim",
    "sound",
    "timeout",
    "1e-9",
    "inf",
    "nan",
    "./same.sh",
    "'",
    "\"",
    "\\",
];

pub(super) fn comparator(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(comparator) = text.parse::<Comparator>() else { return };
    let again: Comparator = comparator.to_string().parse().expect("what is written is read");
    assert_eq!(again, comparator, "{text:?}");
}

pub(super) fn comparators() -> Vec<Vec<u8>> {
    let texts = [
        "bytes",
        "numbers:abs=0.1,rel=1e-9,format=csv",
        "image:channel=2,psnr=40,ssim=0.98",
        "frames:psnr=40,sound=0.001",
        "command:timeout=300:./same.sh --a 'b c'",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const NAMES: [&str; 6] = ["out", "out.csv", "out.json", "out.png", "out.tga", "tile"];

/// Which name, which comparator, and two files.
pub(super) fn compared(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let name = NAMES[usize::from(bytes.below(NAMES.len() as u8))];
    let ways = ["bytes", "numbers:abs=0.5,rel=0.1", "image:channel=3", "image:psnr=20,ssim=0.5"];
    let way = ways[usize::from(bytes.below(ways.len() as u8))];
    let comparator: Comparator = way.parse().expect("it is well-formed");
    let output = |bytes: &[u8]| {
        let content = Content::Inline(bytes.to_vec());
        let file = OutFile { name: name.to_owned(), executable: false, content };
        CellOutput { cell: CellId(0), exit: 0, files: vec![file] }
    };
    let (a, b) = (output(bytes.part()), output(bytes.rest()));
    for output in [&a, &b] {
        match comparator.admit(output, &NoBlobs) {
            Ok(()) => {}
            // A header may claim anything; nothing was allocated for it.
            Err(CompareError::TooLarge { unit: "pixels", .. }) => return,
            Err(error) => panic!("{error}"),
        }
    }
    let agree = |a, b| comparator.compare(a, b, &NoBlobs).expect("both were admitted").is_agree();
    assert!(agree(&a, &a) && agree(&b, &b));
    let both = agree(&a, &b);
    // Which sign separates the fields of a table, the first one says.
    assert!(name == "out.csv" || both == agree(&b, &a), "{way} {name}");
}

pub(super) fn pairs() -> Vec<Vec<u8>> {
    let texts: [(u8, &[u8], &[u8]); 3] = [
        (0, b"x = 1.5e3, (nan) -inf 10ms\n", b"x = 1500, (NaN) -INF 10ms\n"),
        (1, b"t;x\n1;\"2.0\"\n", b"t;x\r\n1.1;2\n"),
        (2, b"{\"a\": [1.0, \"1\"]}", b"{ \"a\":[1.05,\"1\"] }"),
    ];
    let pair = |name: u8, way: u8, a: &[u8], b: &[u8]| {
        [&[name, way], &(a.len() as u16).to_le_bytes()[..], a, b].concat()
    };
    let mut pairs: Vec<Vec<u8>> = texts.iter().map(|(name, a, b)| pair(*name, 1, a, b)).collect();
    // A byte of choices is in front of those.
    let files = pictures::files();
    pairs.extend(
        files.iter().flat_map(|file| [2, 3].map(|way| pair(3, way, &file[2..], &file[2..]))),
    );
    let tiles = pictures::tiles();
    pairs.extend(tiles.iter().map(|tile| pair(5, 2, &tile[1..], &tile[1..])));
    pairs
}
