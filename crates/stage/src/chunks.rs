//! Where a file is cut, and by which hashes its pieces are known.
//!
//! Cuts follow the content (FastCDC: Xia et al., *The Design of Fast Content-Defined Chunking for
//! Data Deduplication Based Storage Systems*, IEEE TPDS 31, 2020), so after a change in the middle
//! of a file all other pieces stay what they were, and what a node has of an older version it
//! needn't fetch again.
//!
//! A cut depends only on the bytes since the last one, at most [`MAX_BYTES`] of them: that is what
//! [`Chunker`] keeps, however large the file.
//!
//! **Invariants** of a [`ChunkList`]: lengths add up to the file's; all chunks but the last have
//! [`MIN_BYTES`]`..=`[`MAX_BYTES`], the last `1..=MAX_BYTES`; a file of at most [`WHOLE_BYTES`] is
//! one chunk with the file's own hash, so nobody has to ask for its list; the empty file has none.
//!
//! **What a list doesn't prove:** that its chunks make up the file. Whoever joined them checks the
//! file's own hash; so a list is asked of the node that named the file.

use fastcdc::v2020;
use outlast_types::Hash;
use outlast_types::wire::{self, FrameError};
use serde::{Deserialize, Serialize};

/// No chunk but the last is smaller: bounds a list to 1/450 of its file.
pub const MIN_BYTES: u32 = 16 << 10;

/// What a chunk has on average: a change costs about as much, and the list of 1 GiB has 600 KiB.
pub const AVERAGE_BYTES: u32 = 64 << 10;

/// No chunk is larger: it is the unit that is verified, and lost when a connection breaks.
pub const MAX_BYTES: u32 = 256 << 10;

/// A file up to this size is one chunk. Saves the question for the list of each of many small
/// files, for at most four average chunks after a change.
pub const WHOLE_BYTES: u64 = MAX_BYTES as u64;

/// The largest file that is staged: four times the default quota of a job. Its list takes 40 MiB,
/// 150 MiB in the worst case.
pub const FILE_BYTES: u64 = 64 << 30;

/// A chunk in an encoded list: its hash, and its length in at most three bytes.
const ENCODED_BYTES: usize = 32 + 3;

/// The version byte, and the number of chunks in at most five bytes.
const FRAME_BYTES: usize = 1 + 5;

/// Collected before chunks are cut off: what is left of it is moved to its front, at most a
/// quarter.
const BUFFER_BYTES: usize = 4 * MAX_BYTES as usize;

/// A piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Hash of its bytes.
    pub hash: Hash,
    /// Its bytes.
    pub length: u32,
}

/// Why chunks are not a file's list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Not a frame, or a larger one than the file's list can have.
    #[error("a chunk list: {0}")]
    Frame(#[from] FrameError),
    /// A larger file than is staged.
    #[error("a file of {found} bytes, expected at most {FILE_BYTES}")]
    File {
        /// Bytes found.
        found: u64,
    },
    /// Of a length that no chunk has at its place.
    #[error("chunk {index} has {found} bytes, expected {least} to {MAX_BYTES}")]
    Length {
        /// Which one.
        index: usize,
        /// Bytes found.
        found: u32,
        /// Bytes that it has at least.
        least: u32,
    },
    /// The chunks don't add up.
    #[error("chunks of {found} bytes in total, expected {expected}")]
    Sum {
        /// Bytes of the file.
        expected: u64,
        /// Bytes of the chunks.
        found: u64,
    },
    /// A file of at most [`WHOLE_BYTES`] in another form than one chunk with its hash.
    #[error("a file of {length} bytes isn't one chunk with the file's own hash")]
    NotWhole {
        /// Bytes of the file.
        length: u64,
    },
}

/// A file's chunks, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkList {
    chunks: Vec<Chunk>,
    /// Where each chunk ends: prefix sums of the lengths.
    ends: Vec<u64>,
}

impl ChunkList {
    /// The list of a file of at most [`WHOLE_BYTES`]; `None` of a larger one.
    pub fn whole(hash: Hash, length: u64) -> Option<Self> {
        if length == 0 {
            return Some(Self { chunks: Vec::new(), ends: Vec::new() });
        }
        let chunk = Chunk { hash, length: u32::try_from(length).ok().filter(|&l| l <= MAX_BYTES)? };
        Some(Self { chunks: vec![chunk], ends: vec![length] })
    }

    /// The list of the file with this hash and length.
    ///
    /// # Errors
    /// If the chunks can't be those of such a file.
    pub fn new(chunks: Vec<Chunk>, hash: Hash, length: u64) -> Result<Self, ListError> {
        if length > FILE_BYTES {
            return Err(ListError::File { found: length });
        }
        if let Some(whole) = Self::whole(hash, length) {
            let same = whole.chunks == chunks;
            return same.then_some(whole).ok_or(ListError::NotWhole { length });
        }
        let mut ends = Vec::with_capacity(chunks.len());
        let mut end = 0;
        for (index, chunk) in chunks.iter().enumerate() {
            let least = if index + 1 == chunks.len() { 1 } else { MIN_BYTES };
            if !(least..=MAX_BYTES).contains(&chunk.length) {
                return Err(ListError::Length { index, found: chunk.length, least });
            }
            end += u64::from(chunk.length);
            ends.push(end);
        }
        if end != length {
            return Err(ListError::Sum { expected: length, found: end });
        }
        Ok(Self { chunks, ends })
    }

    /// The chunks.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// How many they are.
    #[allow(clippy::len_without_is_empty, reason = "a list of no chunks is that of an empty file")]
    pub fn len(&self) -> u32 {
        // At most `FILE_BYTES / MIN_BYTES + 1`.
        self.chunks.len() as u32
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Where chunk `index` is in the file: its first byte, and the byte behind it.
    pub fn range(&self, index: u32) -> Option<std::ops::Range<u64>> {
        let end = *self.ends.get(index as usize)?;
        Some(end - u64::from(self.chunks[index as usize].length)..end)
    }

    /// The chunk that has the byte at `offset`.
    pub fn at(&self, offset: u64) -> Option<u32> {
        let index = self.ends.partition_point(|&end| end <= offset);
        (index < self.ends.len()).then_some(index as u32)
    }

    /// The most bytes that the encoded list of a file of this length has.
    pub fn encoded_limit(length: u64) -> usize {
        let chunks = length.min(FILE_BYTES) / u64::from(MIN_BYTES) + 1;
        chunks as usize * ENCODED_BYTES + FRAME_BYTES
    }

    /// As a frame of at most [`Self::encoded_limit`] bytes.
    pub fn encode(&self) -> Vec<u8> {
        let limit = Self::encoded_limit(self.length());
        wire::encode(&self.chunks, limit).expect("the limit is for the most chunks")
    }

    /// From a frame, for the file with this hash and length.
    ///
    /// # Errors
    /// If the frame is none or too large, or the list is none of such a file.
    pub fn decode(frame: &[u8], hash: Hash, length: u64) -> Result<Self, ListError> {
        if length > FILE_BYTES {
            return Err(ListError::File { found: length });
        }
        Self::new(wire::decode(frame, Self::encoded_limit(length))?, hash, length)
    }
}

/// A file that went through a [`Chunker`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunked {
    /// Hash of all its bytes.
    pub hash: Hash,
    /// Its bytes.
    pub length: u64,
    /// Its chunks.
    pub list: ChunkList,
}

/// Cuts and hashes a file in one pass. Keeps about 1 MiB of it, and the list.
///
/// What it is fed in which portions makes no difference.
pub struct Chunker {
    buffer: Vec<u8>,
    /// Where the next chunk starts in the buffer.
    start: usize,
    whole: blake3::Hasher,
    length: u64,
    chunks: Vec<Chunk>,
    mask_s: u64,
    mask_l: u64,
}

impl Default for Chunker {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunker {
    /// For a new file.
    pub fn new() -> Self {
        let (mask_s, mask_l) =
            v2020::select_masks(AVERAGE_BYTES as usize, v2020::Normalization::Level1);
        Self {
            buffer: Vec::new(),
            start: 0,
            whole: blake3::Hasher::new(),
            length: 0,
            chunks: Vec::new(),
            mask_s,
            mask_l,
        }
    }

    /// The next bytes of the file; gives the chunks that are complete by them.
    pub fn push(&mut self, mut bytes: &[u8]) -> &[Chunk] {
        let before = self.chunks.len();
        self.whole.update(bytes);
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.buffer.len() == BUFFER_BYTES {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            // One more than a chunk may have: a file that ends here is in one piece.
            while self.buffer.len() - self.start > MAX_BYTES as usize {
                self.cut();
            }
        }
        &self.chunks[before..]
    }

    /// The file ends here.
    pub fn finish(mut self) -> Chunked {
        if self.length <= WHOLE_BYTES {
            let hash = self.whole.finalize().into();
            let list = ChunkList::whole(hash, self.length).expect("it isn't larger");
            return Chunked { hash, length: self.length, list };
        }
        while self.start < self.buffer.len() {
            self.cut();
        }
        let (hash, length) = (self.whole.finalize().into(), self.length);
        let mut end = 0;
        let ends = self.chunks.iter().map(|chunk| {
            end += u64::from(chunk.length);
            end
        });
        let ends = ends.collect();
        Chunked { hash, length, list: ChunkList { chunks: self.chunks, ends } }
    }

    fn cut(&mut self) {
        let rest = &self.buffer[self.start..];
        let (_, length) = v2020::cut(
            rest,
            MIN_BYTES as usize,
            AVERAGE_BYTES as usize,
            MAX_BYTES as usize,
            self.mask_s,
            self.mask_l,
            self.mask_s << 1,
            self.mask_l << 1,
        );
        let hash = Hash::of(&rest[..length]);
        self.chunks.push(Chunk { hash, length: length as u32 });
        self.start += length;
    }
}

#[cfg(test)]
mod tests;
