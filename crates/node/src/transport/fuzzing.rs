//! For fuzz targets only: the parsers of this module, which nobody else needs to see.

use bytes::Bytes;
use outlast_types::{limits, wire};

use super::admission::{MESSAGE_BYTES, Said};
use super::frames::Splitter;

/// The frames of a stream that comes in pieces of this size, and the length that broke it.
pub fn frames(stream: &[u8], piece: usize) -> (Vec<Bytes>, Option<String>) {
    let (mut splitter, mut frames) = (Splitter::default(), Vec::new());
    for piece in stream.chunks(piece) {
        splitter.push(piece);
        loop {
            match splitter.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error.to_string())),
            }
        }
    }
    (frames, None)
}

/// What is said at the beginning of a connection, encoded again.
pub fn greeting(bytes: &[u8]) -> Option<Vec<u8>> {
    let said: Said = wire::decode(bytes, MESSAGE_BYTES).ok()?;
    wire::encode(&said, limits::FRAME_BYTES).ok()
}

/// One of each kind.
pub fn greetings() -> Vec<Vec<u8>> {
    let observed = Some(([10, 0, 0, 1], 7771).into());
    let all = [
        Said::Hello { shown: vec![1, 2, 3], observed },
        Said::Welcome { answer: vec![4; 300], observed: None },
        Said::Seen { observed },
    ];
    all.iter().filter_map(|said| wire::encode(said, MESSAGE_BYTES).ok()).collect()
}
