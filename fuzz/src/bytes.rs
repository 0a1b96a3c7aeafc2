//! An input taken as a row of choices, for machines that are fed with several messages.

use outlast_types::NodeId;

/// What is left of it. At its end all choices are 0.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn below(&mut self, limit: u8) -> u8 {
        self.byte() % limit.max(1)
    }

    /// Mostly small, sometimes at an edge.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => u64::from(u32::MAX),
            253 => 1 << 40,
            small => u64::from(small % 40),
        }
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// So many bytes as two of them say, or what is left.
    pub(crate) fn part(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (part, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        part
    }

    /// How long a list is: short, sometimes long.
    pub(crate) fn length(&mut self) -> usize {
        match self.byte() {
            255 => 2000,
            short => usize::from(short % 6),
        }
    }

    /// One of a few, or of many.
    pub(crate) fn node(&mut self) -> NodeId {
        match self.byte() {
            few @ 0..200 => NodeId::from_bytes([few % 5; 32]),
            _ => NodeId::from_bytes(
                [self.byte(), self.byte(), 1, 1].repeat(8).try_into().unwrap_or([0; 32]),
            ),
        }
    }
}

/// A part of an input, as [`Bytes::part`] reads it.
pub(crate) fn part(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    let mut part = (bytes.len() as u16).to_le_bytes().to_vec();
    part.extend_from_slice(bytes);
    part
}
