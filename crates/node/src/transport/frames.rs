//! Frames on a stream: a length of four bytes, little-endian, then so many bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use outlast_types::limits;

/// Bytes of the length in front of a frame.
const LENGTH_BYTES: usize = 4;

/// A length that no frame has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes, expected 1 to {max}", max = limits::FRAME_BYTES)]
pub(super) struct BadLength(usize);

/// Appends a frame to a buffer. Only frames of a valid length are queued.
pub(super) fn put(buffer: &mut BytesMut, frame: &Bytes) {
    buffer.reserve(LENGTH_BYTES + frame.len());
    buffer.put_u32_le(u32::try_from(frame.len()).unwrap_or(u32::MAX));
    buffer.extend_from_slice(frame);
}

/// Whether a frame may be sent.
pub(super) fn is_valid(frame: &Bytes) -> bool {
    (1..=limits::FRAME_BYTES).contains(&frame.len())
}

/// Takes a stream's bytes apart again. Holds no more than has arrived, whatever a length promises.
#[derive(Debug, Default)]
pub(super) struct Splitter(BytesMut);

impl Splitter {
    /// Takes what has arrived.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next frame that is complete.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, BadLength> {
        let Some(prefix) = self.0.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*prefix) as usize;
        if !(1..=limits::FRAME_BYTES).contains(&length) {
            return Err(BadLength(length));
        }
        if self.0.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.0.advance(LENGTH_BYTES);
        Ok(Some(self.0.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_however_the_stream_is_cut() {
        let frames =
            [Bytes::from_static(b"a"), Bytes::from(vec![7; 1000]), Bytes::from_static(b"bc")];
        let mut stream = BytesMut::new();
        for frame in &frames {
            put(&mut stream, frame);
        }
        for size in [1, 3, 4, 5, 999, 5000] {
            let mut splitter = Splitter::default();
            let mut found = Vec::new();
            for piece in stream.chunks(size) {
                splitter.push(piece);
                while let Some(frame) = splitter.next().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, frames, "pieces of {size}");
        }
    }

    #[test]
    fn lengths_out_of_bounds_are_errors_before_any_byte_is_awaited() {
        for length in [0, limits::FRAME_BYTES as u32 + 1, u32::MAX] {
            let mut splitter = Splitter::default();
            splitter.push(&length.to_le_bytes());
            assert_eq!(splitter.next(), Err(BadLength(length as usize)));
        }
    }
}
