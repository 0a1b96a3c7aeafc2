//! The transfer protocol: what a node asks another for on a bidirectional stream.
//!
//! ```text
//!   asks: u32 length, frame of a Request           answers:
//!   List { blob }             ─────▶   u32 length, frame of a ListAnswer; then the list's bytes
//!   Have { blobs }            ─────▶   u32 length, frame of one Have for each blob, in order
//!   Pieces { blob, runs }     ─────▶   for each piece, in order: PieceHeader, then its bytes
//!   Blobs { blobs }           ─────▶   for each blob, in order: PieceHeader, then its bytes
//!   Holders { blobs }         ─────▶   u32 length, frame of one list of nodes for each blob
//! ```
//!
//! A stream carries one request after another; who asks ends it. Numbers outside frames are
//! little-endian. Frames are [`outlast_types::wire`]'s, with its version: another version is refused
//! by its number.
//!
//! **Invariants:** who reads knows each size before he allocates: lengths are checked against the
//! constants here before the bytes are read, and the bytes of a piece against what the asker
//! expects. An answer has as many parts as the request has; a piece that isn't there is a part, too.
//!
//! What it doesn't do: read or write streams; check hashes (who asked does, he knows them).

use outlast_types::wire::{self as frames, FrameError};
use outlast_types::{Hash, NodeId};
use serde::{Deserialize, Serialize};

use crate::bitmap::Bitmap;
use crate::chunks::{Chunk, ChunkList, FILE_BYTES, MAX_BYTES, MIN_BYTES};

/// Bytes of a length before a frame.
pub const PREFIX_BYTES: usize = 4;

/// Bytes of a [`PieceHeader`].
pub const HEADER_BYTES: usize = 5;

/// The frame of a request: [`HAVE_BLOBS`] hashes and some more.
pub const REQUEST_BYTES: usize = 40 << 10;

/// Pieces of one request: what comes in one go is at most this often [`MAX_BYTES`], and what a swarm
/// asks for much less.
pub const PIECES: usize = 256;

/// Small blobs of one request. Each has at most [`MAX_BYTES`].
pub const BLOBS: usize = 256;

/// Blobs that are asked about in one request.
pub const HAVE_BLOBS: usize = 1024;

/// Pieces of all blobs that are asked about in one request: those of the largest file. So bitmaps
/// take half a MiB at most.
pub const HAVE_PIECES: u64 = FILE_BYTES / MIN_BYTES as u64 + 1;

/// The frame that answers [`Request::Have`]: bitmaps, and ten bytes around each.
pub const HAVE_ANSWER_BYTES: usize = HAVE_PIECES as usize / 8 + HAVE_BLOBS * 16;

/// Blobs whose holders are asked for in one request.
pub const HOLDERS_BLOBS: usize = 64;

/// Holders named for each blob: a swarm has at most as many sources.
pub const HOLDERS: usize = 32;

/// The frame that answers [`Request::Holders`].
pub const HOLDERS_ANSWER_BYTES: usize = HOLDERS_BLOBS * (HOLDERS * 32 + 2) + 16;

/// The frame that answers [`Request::List`], without the list.
pub const LIST_ANSWER_BYTES: usize = 32;

/// Why bytes are no request or answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Too many of something.
    #[error("{found} {what} in one request, expected 1 to {limit}")]
    Number {
        /// Of what.
        what: &'static str,
        /// How many.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// Runs of pieces that are empty, out of order, or touch.
    #[error("pieces from {start}, expected them ascending and in runs that don't touch")]
    Runs {
        /// Where the run starts.
        start: u32,
    },
    /// Parts of an answer don't match those of its request.
    #[error("an answer of {found} parts, expected {expected}")]
    Parts {
        /// Parts of the request.
        expected: usize,
        /// Parts of the answer.
        found: usize,
    },
    /// A bitmap of another length than the blob has pieces.
    #[error("a bitmap of {found} pieces, expected {expected}")]
    Bitmap {
        /// Pieces of the blob.
        expected: u32,
        /// Bits.
        found: u32,
    },
    /// A status byte that isn't known.
    #[error("status {0}, expected {FOUND} (found) or {MISSING} (missing)")]
    Status(u8),
    /// A piece of another length than was expected.
    #[error("{found} bytes, expected {expected}")]
    Length {
        /// Bytes expected.
        expected: u64,
        /// Bytes announced.
        found: u64,
    },
}

const FOUND: u8 = 0;
const MISSING: u8 = 1;

/// The length before a frame.
///
/// # Panics
/// If the frame is larger than 4 GiB.
pub fn prefix(frame: usize) -> [u8; PREFIX_BYTES] {
    u32::try_from(frame).expect("frames are bounded").to_le_bytes()
}

/// How many bytes the frame has whose length this is.
///
/// # Errors
/// [`FrameError::TooLarge`] if there are more than `limit`.
pub fn frame_length(prefix: [u8; PREFIX_BYTES], limit: usize) -> Result<usize, WireError> {
    let found = u32::from_le_bytes(prefix) as usize;
    if found > limit {
        return Err(FrameError::TooLarge { found, limit }.into());
    }
    Ok(found)
}

fn prefixed<T: Serialize>(value: &T, limit: usize) -> Result<Vec<u8>, WireError> {
    let frame = frames::encode(value, limit)?;
    let mut bytes = prefix(frame.len()).to_vec();
    bytes.extend(frame);
    Ok(bytes)
}

/// Consecutive chunks of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The first.
    pub start: u32,
    /// How many.
    pub count: u32,
}

/// Ascending chunk numbers as runs.
pub fn runs(indexes: impl IntoIterator<Item = u32>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some(run) if index.checked_sub(run.start) == Some(run.count) => run.count += 1,
            _ => runs.push(Run { start: index, count: 1 }),
        }
    }
    runs
}

/// The chunk numbers of checked runs, in order.
pub fn indexes(runs: &[Run]) -> impl Iterator<Item = u32> {
    runs.iter().flat_map(|run| run.start..run.start + run.count)
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// The chunk list of a blob.
    List {
        /// Its hash.
        blob: Hash,
    },
    /// What is there of these blobs.
    Have {
        /// Their hashes, at most [`HAVE_BLOBS`].
        blobs: Vec<Hash>,
    },
    /// Chunks of a blob.
    Pieces {
        /// Its hash.
        blob: Hash,
        /// Which: ascending, in runs that don't touch, at most [`PIECES`] chunks.
        runs: Vec<Run>,
    },
    /// Whole blobs of one piece.
    Blobs {
        /// Their hashes, at most [`BLOBS`].
        blobs: Vec<Hash>,
    },
    /// Who else asked for these lately, and may have them.
    Holders {
        /// The hashes of blobs or trees, at most [`HOLDERS_BLOBS`].
        blobs: Vec<Hash>,
    },
}

impl Request {
    /// With its length before it, ready to be sent.
    ///
    /// # Errors
    /// If it is none that would be taken.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.check()?;
        prefixed(self, REQUEST_BYTES)
    }

    /// From a frame of at most [`REQUEST_BYTES`], without its length.
    ///
    /// # Errors
    /// If it isn't a frame, or asks for more than it may.
    pub fn decode(frame: &[u8]) -> Result<Self, WireError> {
        let request: Self = frames::decode(frame, REQUEST_BYTES)?;
        request.check()?;
        Ok(request)
    }

    /// How many parts its answer has.
    pub fn parts(&self) -> usize {
        match self {
            Self::List { .. } => 1,
            Self::Have { blobs } | Self::Blobs { blobs } | Self::Holders { blobs } => blobs.len(),
            Self::Pieces { runs, .. } => runs.iter().map(|run| run.count as usize).sum(),
        }
    }

    fn check(&self) -> Result<(), WireError> {
        let (what, found, limit) = match self {
            Self::List { .. } => return Ok(()),
            Self::Have { blobs } => ("blobs", blobs.len() as u64, HAVE_BLOBS),
            Self::Blobs { blobs } => ("blobs", blobs.len() as u64, BLOBS),
            Self::Holders { blobs } => ("blobs", blobs.len() as u64, HOLDERS_BLOBS),
            Self::Pieces { runs, .. } => ("pieces", check_runs(runs)?, PIECES),
        };
        let limit = limit as u64;
        if found == 0 || found > limit {
            return Err(WireError::Number { what, found, limit });
        }
        Ok(())
    }
}

/// How many chunks there are in the runs.
fn check_runs(runs: &[Run]) -> Result<u64, WireError> {
    let mut found = 0;
    let mut next = 0;
    for (number, run) in runs.iter().enumerate() {
        let Run { start, count } = *run;
        let touches = number > 0 && u64::from(start) <= next;
        next = u64::from(start) + u64::from(count);
        if count == 0 || touches || next > u64::from(u32::MAX) {
            return Err(WireError::Runs { start });
        }
        found += u64::from(count);
    }
    Ok(found)
}

/// What follows [`Request::List`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListAnswer {
    /// The blob isn't there.
    Missing,
    /// It is in one piece: there is no list.
    Whole {
        /// Bytes of the blob.
        length: u64,
    },
    /// So many bytes of [`ChunkList::encode`] follow.
    Chunks {
        /// Bytes of the blob.
        length: u64,
        /// Bytes of its list.
        list: u32,
    },
}

impl ListAnswer {
    /// With its length before it.
    pub fn encode(&self) -> Vec<u8> {
        prefixed(self, LIST_ANSWER_BYTES).expect("a variant and two numbers")
    }

    /// From a frame of at most [`LIST_ANSWER_BYTES`], for a blob of the length that the asker
    /// expects. The list that follows isn't larger than such a blob's can be.
    ///
    /// # Errors
    /// If it isn't a frame, or the blob has another length.
    pub fn decode(frame: &[u8], expected: u64) -> Result<Self, WireError> {
        let answer: Self = frames::decode(frame, LIST_ANSWER_BYTES)?;
        let (Self::Whole { length: found } | Self::Chunks { length: found, .. }) = answer else {
            return Ok(answer);
        };
        if found != expected {
            return Err(WireError::Length { expected, found });
        }
        if let Self::Chunks { list, .. } = answer {
            let (found, limit) = (list as usize, ChunkList::encoded_limit(expected));
            if found > limit {
                return Err(FrameError::TooLarge { found, limit }.into());
            }
        }
        Ok(answer)
    }
}

/// What somebody has of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Have {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// These chunks.
    Some(Bitmap),
}

impl Have {
    /// Whether chunk `index` is among it.
    pub fn get(&self, index: u32) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(bitmap) => bitmap.get(index),
        }
    }

    /// The answer to [`Request::Have`], with its length before it.
    ///
    /// # Errors
    /// If it is larger than [`HAVE_ANSWER_BYTES`]: the request was for too many pieces.
    pub fn encode(all: &[Self]) -> Result<Vec<u8>, WireError> {
        prefixed(&all, HAVE_ANSWER_BYTES)
    }

    /// The answer in a frame of at most [`HAVE_ANSWER_BYTES`]. `pieces` has how many each of the
    /// blobs has that were asked about, in the order of the request.
    ///
    /// # Errors
    /// If it isn't a frame, or doesn't match the request.
    pub fn decode(frame: &[u8], pieces: &[u32]) -> Result<Vec<Self>, WireError> {
        let all: Vec<Self> = frames::decode(frame, HAVE_ANSWER_BYTES)?;
        if all.len() != pieces.len() {
            return Err(WireError::Parts { expected: pieces.len(), found: all.len() });
        }
        for (have, &expected) in all.iter().zip(pieces) {
            match have {
                Self::Some(bitmap) if bitmap.len() != expected => {
                    return Err(WireError::Bitmap { expected, found: bitmap.len() });
                }
                _ => {}
            }
        }
        Ok(all)
    }
}

/// The answer to [`Request::Holders`], with its length before it; more than [`HOLDERS`] of a blob
/// are left out.
///
/// # Errors
/// If there are more blobs than a request has.
pub fn encode_holders(holders: &[Vec<NodeId>]) -> Result<Vec<u8>, WireError> {
    let cut: Vec<&[NodeId]> = holders.iter().map(|of| &of[..of.len().min(HOLDERS)]).collect();
    prefixed(&cut, HOLDERS_ANSWER_BYTES)
}

/// The answer to [`Request::Holders`] for so many blobs, in a frame of at most
/// [`HOLDERS_ANSWER_BYTES`].
///
/// # Errors
/// If it isn't a frame, or doesn't match the request.
pub fn decode_holders(frame: &[u8], expected: usize) -> Result<Vec<Vec<NodeId>>, WireError> {
    let holders: Vec<Vec<NodeId>> = frames::decode(frame, HOLDERS_ANSWER_BYTES)?;
    if holders.len() != expected {
        return Err(WireError::Parts { expected, found: holders.len() });
    }
    let limit = HOLDERS as u64;
    match holders.iter().map(|of| of.len() as u64).find(|&found| found > limit) {
        Some(found) => Err(WireError::Number { what: "holders", found, limit }),
        None => Ok(holders),
    }
}

/// What stands before the bytes of a piece: a status byte, and the number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceHeader {
    /// The piece isn't there; no bytes follow.
    Missing,
    /// So many bytes follow.
    Found(u32),
}

impl PieceHeader {
    /// As bytes.
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let (status, length) = match self {
            Self::Missing => (MISSING, 0),
            Self::Found(length) => (FOUND, length),
        };
        let [a, b, c, d] = length.to_le_bytes();
        [status, a, b, c, d]
    }

    /// From bytes, for a piece that has so many.
    ///
    /// # Errors
    /// If the status isn't known, or the length isn't the expected one.
    pub fn decode(bytes: [u8; HEADER_BYTES], expected: u32) -> Result<Self, WireError> {
        let [status, a, b, c, d] = bytes;
        let found = u32::from_le_bytes([a, b, c, d]);
        let (header, expected) = match status {
            FOUND => (Self::Found(found), expected),
            MISSING => (Self::Missing, 0),
            other => return Err(WireError::Status(other)),
        };
        if found != expected {
            return Err(WireError::Length { expected: expected.into(), found: found.into() });
        }
        Ok(header)
    }
}

const _: () = {
    assert!(FILE_BYTES / (MIN_BYTES as u64) < u32::MAX as u64, "chunks are numbered by u32");
    assert!(REQUEST_BYTES > HAVE_BLOBS * size_of::<Hash>() + 16, "the largest request fits");
    assert!(PIECES * 10 + 64 < REQUEST_BYTES, "runs of one piece fit");
    assert!(size_of::<Chunk>() >= 36, "a chunk is a hash and a length");
    assert!(MAX_BYTES as usize * PIECES <= 64 << 20, "an answer is bounded");
};

#[cfg(test)]
mod tests;
