//! A blob that is written from its first byte to its last.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use outlast_types::Hash;

use super::{Holder, Room, StoreError};

/// A temporary file; removed when dropped, if it still has that name.
#[derive(Debug)]
pub(super) struct Tmp(pub(super) PathBuf);

impl Drop for Tmp {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A blob that is being written. Dropping it before [`Writer::finish`] leaves nothing.
#[derive(Debug)]
pub struct Writer {
    file: File,
    tmp: Tmp,
    hash: Hash,
    pub(super) length: u64,
    written: u64,
    hasher: blake3::Hasher,
    holder: Holder,
    room: Room,
}

impl Writer {
    pub(super) fn new(
        file: File,
        tmp: Tmp,
        hash: Hash,
        length: u64,
        holder: Holder,
        room: Room,
    ) -> Self {
        let hasher = blake3::Hasher::new();
        Self { file, tmp, hash, length, written: 0, hasher, holder, room }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`StoreError::Length`] if there are more than announced, [`StoreError::DiskFull`],
    /// [`StoreError::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        self.append(bytes)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let found = self.written + bytes.len() as u64;
        if found > self.length {
            return Err(StoreError::Length { hash: self.hash, expected: self.length, found });
        }
        self.file.write_all(bytes).map_err(StoreError::io(&self.tmp.0))?;
        self.written = found;
        Ok(())
    }

    /// Checks length and hash, and makes the blob appear.
    ///
    /// # Errors
    /// [`StoreError::Length`], [`StoreError::Mismatch`], [`StoreError::DiskFull`],
    /// [`StoreError::Io`]; then there is no blob.
    pub fn finish(self) -> Result<(), StoreError> {
        let (expected, found) = (self.length, self.written);
        if found != expected {
            return Err(StoreError::Length { hash: self.hash, expected, found });
        }
        let (expected, found) = (self.hash, Hash::from(self.hasher.finalize()));
        if found != expected {
            return Err(StoreError::Mismatch { expected, found });
        }
        self.accept(expected)
    }

    pub(super) fn accept(self, hash: Hash) -> Result<(), StoreError> {
        self.room.store.adopt(&self.tmp, hash, self.written, self.holder)
    }
}
