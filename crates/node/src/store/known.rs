//! Where chunks are that are here already, in whatever blob: after a change in a large file all others of its
//! chunks are copied instead of fetched.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, PoisonError, Weak};

use outlast_stage::chunks::ChunkList;
use outlast_types::Hash;

use super::{Partial, Store};

/// Chunks that are looked up: 16 MiB of memory while something is fetched, for 64 GiB of blobs.
const CHUNKS: usize = 1 << 20;

/// An index of the chunks of all large blobs that were here when it was made.
#[derive(Debug)]
pub struct KnownChunks {
    blobs: Vec<Hash>,
    /// The first bytes of a chunk's hash, the blob it is in, its number there. Sorted.
    chunks: Vec<(u64, u32, u32)>,
}

fn prefix(hash: &Hash) -> u64 {
    hash.as_bytes().iter().take(8).fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

impl Store {
    /// The index, made now unless somebody holds it already. Blocks.
    pub fn known_chunks(&self) -> Arc<KnownChunks> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.upgrade() {
            return known;
        }
        let mut index = KnownChunks { blobs: Vec::new(), chunks: Vec::new() };
        for hash in self.list() {
            let Ok((_, length)) = self.open_quietly(&hash) else { continue };
            let Some(list) = self.kept(&hash, length) else { continue };
            if index.chunks.len() + list.chunks().len() > CHUNKS {
                break;
            }
            let blob = index.blobs.len() as u32;
            index.blobs.push(hash);
            let chunks = (0..).zip(list.chunks());
            index.chunks.extend(chunks.map(|(number, c)| (prefix(&c.hash), blob, number)));
        }
        index.chunks.sort_unstable();
        let index = Arc::new(index);
        *known = Arc::downgrade(&index);
        index
    }

    /// Copies what is known of a blob that is on its way. How many bytes. Blocks.
    pub fn copy_known(&self, partial: &Partial, known: &KnownChunks) -> u64 {
        let mut copied = 0;
        // Neighbours mostly come from the same blob.
        let mut open: Option<(u32, File, ChunkList)> = None;
        for (index, chunk) in (0..).zip(partial.list().chunks()) {
            if partial.has(index) {
                continue;
            }
            let wanted = prefix(&chunk.hash);
            let from = known.chunks.partition_point(|(prefix, ..)| *prefix < wanted);
            let Some(&(_, blob, number)) = known.chunks.get(from).filter(|(p, ..)| *p == wanted)
            else {
                continue;
            };
            if open.as_ref().is_none_or(|(opened, ..)| *opened != blob) {
                open = known.blobs.get(blob as usize).and_then(|hash| {
                    let (file, length) = self.open_quietly(hash).ok()?;
                    Some((blob, file, self.kept(hash, length)?))
                });
            }
            let Some((_, file, list)) = &open else { continue };
            let Some(range) = list.range(number) else { continue };
            let mut bytes = vec![0; (range.end - range.start) as usize];
            // It is verified like one that was fetched; what fails is fetched.
            if file.read_exact_at(&mut bytes, range.start).is_ok()
                && partial.write(index, &bytes).is_ok()
            {
                copied += bytes.len() as u64;
            }
        }
        copied
    }

    /// Forgets the index, so that the next one knows what is here now.
    pub fn forget_known_chunks(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Weak::new();
    }
}
