//! The fixed parts of the file: header and table of sections.

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

/// The version that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 2;

/// Line ends and a zero show a transfer as text.
const MAGIC: [u8; 16] = *b"OUTLAST IMAGE\r\n\0";

/// Bytes of the header that mean something.
pub(crate) const HEADER: usize = 64;

/// Where the pages begin: aligned, so that they can be mapped.
pub(crate) const DATA: u64 = 4096;

/// The table names a handful of sections.
pub(crate) const MAX_TABLE: u64 = 64 * 1024;

pub(crate) const BLOCKS: &str = "blocks";
pub(crate) const SUMS: &str = "sums";
pub(crate) const SNAPSHOT: &str = "snapshot";
pub(crate) const MACHINE: &str = "machine";

/// Whether a file begins as an image does.
pub fn is_image(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// XXH3, 64 bits.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// Where the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) table_offset: u64,
    pub(crate) table_len: u64,
    pub(crate) table_sum: u64,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..16].copy_from_slice(&MAGIC);
        bytes[16..20].copy_from_slice(&self.version.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.table_offset.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.table_len.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.table_sum.to_le_bytes());
        let own = sum(&bytes[..56]);
        bytes[56..64].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// `None`: not an image. The sum is judged by the caller, after the version.
    pub(crate) fn decode(bytes: &[u8; HEADER]) -> Option<(Self, bool)> {
        let word = |at: usize| {
            u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a slice of eight bytes"))
        };
        is_image(bytes).then(|| {
            let header = Self {
                version: u32::from_le_bytes(bytes[16..20].try_into().expect("four bytes")),
                table_offset: word(24),
                table_len: word(32),
                table_sum: word(40),
            };
            (header, word(56) == sum(&bytes[..56]))
        })
    }
}

/// One section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) sum: u64,
}
