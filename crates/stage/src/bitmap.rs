//! Which pieces of a blob somebody has: a bit for each.
//!
//! **Invariant:** bits behind the last piece are zero, so equal sets have equal bytes.

use serde::{Deserialize, Serialize};

/// A set of the numbers `0..len`. Bit `i` is bit `i % 8` of byte `i / 8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Bitmap {
    len: u32,
    bytes: Vec<u8>,
}

/// A bitmap as it arrives.
#[derive(Deserialize)]
struct Parts {
    len: u32,
    bytes: Vec<u8>,
}

impl TryFrom<Parts> for Bitmap {
    type Error = BitmapError;

    fn try_from(parts: Parts) -> Result<Self, BitmapError> {
        Self::from_bytes(parts.len, parts.bytes)
    }
}

/// Bytes are not a bitmap of that length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BitmapError {
    /// Another number of bytes than the bits need.
    #[error("a bitmap of {found} bytes, expected {expected} for {len} bits")]
    Size {
        /// Bits announced.
        len: u32,
        /// Bytes that they take.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A bit is set behind the last one.
    #[error("a bitmap of {0} bits with a bit set behind the last")]
    Beyond(u32),
}

/// Bytes that so many bits take.
pub const fn size(len: u32) -> usize {
    len.div_ceil(8) as usize
}

impl Bitmap {
    /// The empty set.
    pub fn none(len: u32) -> Self {
        Self { len, bytes: vec![0; size(len)] }
    }

    /// All of `0..len`.
    pub fn all(len: u32) -> Self {
        let mut bytes = vec![0xff; size(len)];
        if let Some(last) = bytes.last_mut()
            && !len.is_multiple_of(8)
        {
            *last = (1 << (len % 8)) - 1;
        }
        Self { len, bytes }
    }

    /// The set in `bytes`, as [`Self::as_bytes`] gave them.
    ///
    /// # Errors
    /// If the bytes are too many, too few, or say something about what isn't there.
    pub fn from_bytes(len: u32, bytes: Vec<u8>) -> Result<Self, BitmapError> {
        let expected = size(len);
        if bytes.len() != expected {
            return Err(BitmapError::Size { len, expected, found: bytes.len() });
        }
        let spare = bytes.last().filter(|_| !len.is_multiple_of(8)).map_or(0, |b| b >> (len % 8));
        if spare != 0 {
            return Err(BitmapError::Beyond(len));
        }
        Ok(Self { len, bytes })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many numbers may be in the set.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether it is a set of nothing by its length.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `index` is in the set; what is out of range is not.
    pub fn get(&self, index: u32) -> bool {
        index < self.len && self.bytes[index as usize / 8] & (1 << (index % 8)) != 0
    }

    /// Puts `index` into the set. Whether it is new.
    ///
    /// # Panics
    /// If `index` is out of range.
    pub fn set(&mut self, index: u32) -> bool {
        assert!(index < self.len, "bit {index} of {}", self.len);
        let new = !self.get(index);
        self.bytes[index as usize / 8] |= 1 << (index % 8);
        new
    }

    /// Takes `index` out of the set.
    pub fn clear(&mut self, index: u32) {
        if index < self.len {
            self.bytes[index as usize / 8] &= !(1 << (index % 8));
        }
    }

    /// How many are in the set.
    pub fn count(&self) -> u32 {
        self.bytes.iter().map(|b| b.count_ones()).sum()
    }

    /// Whether all are.
    pub fn is_all(&self) -> bool {
        self.count() == self.len
    }

    /// What is in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.len).filter(|&i| self.get(i))
    }
}

#[cfg(test)]
mod tests;
