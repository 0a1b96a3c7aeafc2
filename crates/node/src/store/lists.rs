//! The chunks of large blobs, kept beside them: everybody who fetches one asks for its list first.

use std::fs;
use std::io;
use std::path::PathBuf;

use outlast_stage::chunks::{ChunkList, WHOLE_BYTES};
use outlast_types::Hash;

use super::hashing::read_chunked;
use super::{Store, StoreError};

impl Store {
    pub(super) fn list_path(&self, hash: &Hash) -> PathBuf {
        self.root.join("lists").join(hash.to_string())
    }

    /// The chunks of a blob that is here. Made again, which takes a while, if they got lost.
    ///
    /// # Errors
    /// [`StoreError::Missing`] or [`StoreError::Io`].
    pub fn chunk_list(&self, hash: &Hash) -> Result<ChunkList, StoreError> {
        let (file, length) = self.open_blob(hash)?;
        if let Some(list) = ChunkList::whole(*hash, length).or_else(|| self.kept(hash, length)) {
            return Ok(list);
        }
        let (found, _, list) = read_chunked(&file, length > WHOLE_BYTES, |_| Ok(()))?;
        let list = list.filter(|_| found == *hash);
        // The disk has changed it: better missing than wrong.
        let Some(list) = list else {
            self.remove(hash)?;
            return Err(StoreError::Mismatch { expected: *hash, found });
        };
        self.save_list(hash, &list)?;
        Ok(list)
    }

    /// The list of a blob of this length, if it was kept.
    pub(crate) fn kept(&self, hash: &Hash, length: u64) -> Option<ChunkList> {
        let frame = fs::read(self.list_path(hash)).ok()?;
        ChunkList::decode(&frame, *hash, length).ok()
    }

    pub(super) fn save_list(&self, hash: &Hash, list: &ChunkList) -> Result<(), StoreError> {
        let path = self.list_path(hash);
        if list.length() <= WHOLE_BYTES || path.exists() {
            return Ok(());
        }
        let tmp = self.tmp();
        fs::write(&tmp.0, list.encode()).map_err(StoreError::io(&tmp.0))?;
        fs::rename(&tmp.0, &path).map_err(StoreError::io(&path))
    }

    /// Removes lists of blobs that are gone.
    pub(super) fn drop_stray_lists(&self) {
        let books = self.books();
        let entries = fs::read_dir(self.root.join("lists")).into_iter().flatten();
        for entry in entries.filter_map(io::Result::ok) {
            let name = entry.file_name();
            let hash = name.to_str().and_then(|name| name.parse::<Hash>().ok());
            if hash.is_none_or(|hash| books.kind(&hash).is_none()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
