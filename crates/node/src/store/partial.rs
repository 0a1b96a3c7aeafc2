//! A large blob that comes in pieces, in any order, and may be interrupted at any time.
//!
//! ```text
//!  begin ──▶ part/HASH (right length, holes) ◀── write: a chunk, verified, at its place
//!              │ interrupted: stays               │ all chunks there
//!              └── begin again: chunks that are   └── finish: whole hash ──▶ new/HASH
//!                  there are found by hashing
//! ```
//!
//! Which chunks are there is written down nowhere: they are hashed when it goes on, so that nothing that
//! a crash tore is ever taken for whole.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use outlast_stage::bitmap::Bitmap;
use outlast_stage::chunks::{ChunkList, MAX_BYTES};
use outlast_types::Hash;

use super::books::{Holder, Kind};
use super::hashing::read_whole;
use super::{Store, StoreError};

/// A blob that is on its way here. While somebody holds it others can be served from it.
#[derive(Debug)]
pub struct Partial {
    store: Arc<Store>,
    path: PathBuf,
    file: File,
    hash: Hash,
    list: ChunkList,
    have: Mutex<Bitmap>,
    /// Held while a chunk is written. A file system lets one write to a file at a time, and those who wait for that spin.
    writing: Mutex<()>,
}

impl Partial {
    /// Goes on with a blob, or begins it. `holder` keeps it, also after it is whole. Blocks for as long as it takes
    /// to hash what is there.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Full`] or [`StoreError::Io`].
    pub fn begin(
        store: &Arc<Store>,
        hash: Hash,
        list: ChunkList,
        holder: Holder,
    ) -> Result<Arc<Self>, StoreError> {
        if let Some(known) = store.partial(&hash) {
            store.pin([&hash], holder);
            return Ok(known);
        }
        let path = store.part_path(&hash);
        let io = |error| StoreError::io(&path)(error);
        let length = list.length();
        let old = match File::options().read(true).write(true).open(&path) {
            Ok(file) if file.metadata().map_err(io)?.len() == length => Some(file),
            Ok(_) => {
                store.remove(&hash)?;
                None
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(error)),
        };
        let (file, have) = match old {
            Some(file) => {
                store.pin([&hash], holder);
                let have = verified(&file, &list);
                (file, have)
            }
            None => {
                let room = store.room(length, holder)?;
                let file = File::options().read(true).write(true).create_new(true).open(&path);
                let file = file.map_err(io)?;
                // Said now rather than after the first gigabytes.
                outlast_os::inner::allocate(&file, length).map_err(|error| {
                    let _ = fs::remove_file(&path);
                    io(error)
                })?;
                store.enter(hash, length, Kind::Partial, holder);
                drop(room);
                (file, Bitmap::none(list.len()))
            }
        };
        store.save_list(&hash, &list)?;
        let store = Arc::clone(store);
        let (have, writing) = (Mutex::new(have), Mutex::default());
        let partial = Self { store, path, file, hash, list, have, writing };
        Ok(partial.known())
    }

    /// Makes it known to those who serve, unless somebody else was quicker.
    fn known(self) -> Arc<Self> {
        let store = Arc::clone(&self.store);
        let mut coming = store.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = coming.get(&self.hash).and_then(std::sync::Weak::upgrade) {
            return first;
        }
        coming.retain(|_, partial| partial.strong_count() > 0);
        let this = Arc::new(self);
        coming.insert(this.hash, Arc::downgrade(&this));
        this
    }

    /// Its hash.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Its chunks.
    pub fn list(&self) -> &ChunkList {
        &self.list
    }

    /// Which chunks are here.
    pub fn have(&self) -> Bitmap {
        self.have.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of the chunks that are here.
    pub fn bytes_here(&self) -> u64 {
        let (have, chunks) = (self.have(), self.list.chunks());
        have.iter().map(|index| u64::from(chunks[index as usize].length)).sum()
    }

    /// Whether a chunk is here.
    pub fn has(&self, index: u32) -> bool {
        self.have.lock().unwrap_or_else(PoisonError::into_inner).get(index)
    }

    /// Puts a chunk at its place. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] if these aren't its bytes; [`StoreError::DiskFull`] or [`StoreError::Io`].
    pub fn write(&self, index: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let (Some(range), Some(chunk)) =
            (self.list.range(index), self.list.chunks().get(index as usize))
        else {
            return Err(StoreError::Missing(self.hash));
        };
        let found = Hash::of(bytes);
        if found != chunk.hash {
            return Err(StoreError::Mismatch { expected: chunk.hash, found });
        }
        if self.has(index) {
            return Ok(());
        }
        let turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.file.write_all_at(bytes, range.start);
        drop(turn);
        written.map_err(StoreError::io(&self.path))?;
        self.have.lock().unwrap_or_else(PoisonError::into_inner).set(index);
        Ok(())
    }

    /// A chunk that is here. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Io`].
    pub fn read(&self, index: u32) -> Result<Vec<u8>, StoreError> {
        let range = self.list.range(index).filter(|_| self.has(index));
        let range = range.ok_or(StoreError::Missing(self.hash))?;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file.read_exact_at(&mut bytes, range.start).map_err(StoreError::io(&self.path))?;
        Ok(bytes)
    }

    /// All chunks are here: checks the whole, and makes the blob appear. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Length`] if chunks are missing. [`StoreError::Mismatch`] if the list wasn't that of the blob: then nothing of it is kept.
    /// [`StoreError::Io`].
    pub fn finish(&self) -> Result<(), StoreError> {
        let have = self.have();
        if !have.is_all() {
            let (expected, found) = (self.list.length(), self.bytes_here());
            return Err(StoreError::Length { hash: self.hash, expected, found });
        }
        let (found, _) = read_whole(&self.file, self.list.length(), |_| Ok(()))?;
        if found != self.hash {
            self.store.remove(&self.hash)?;
            return Err(StoreError::Mismatch { expected: self.hash, found });
        }
        self.store.complete(&self.hash, self.list.length())
    }
}

/// Which chunks of a list a file has at their places.
fn verified(file: &File, list: &ChunkList) -> Bitmap {
    let mut have = Bitmap::none(list.len());
    let mut buffer = vec![0; MAX_BYTES as usize];
    for (index, chunk) in (0..).zip(list.chunks()) {
        let Some(range) = list.range(index) else { continue };
        let bytes = &mut buffer[..chunk.length as usize];
        // What can't be read is fetched again.
        if file.read_exact_at(bytes, range.start).is_ok() && Hash::of(bytes) == chunk.hash {
            have.set(index);
        }
    }
    have
}
