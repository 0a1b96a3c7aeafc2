//! The store of pages inside an image that is being written: each page once, from several threads.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use outlast_os::files;
use serde::{Deserialize, Serialize};

use crate::format::{DATA, sum};
use crate::{Compression, PAGE};

/// Pages that are looked at, and packed, together: one mebibyte stays in a processor's cache.
pub const BLOCK_PAGES: usize = 256;

/// The table of sums is in parts, so that threads don't wait for each other.
const SHARDS: usize = 16;

/// Pages side by side in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The number of its first page.
    pub first: u32,
    /// How many pages.
    pub pages: u32,
    /// Where in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub len: u64,
    /// A zstd frame rather than the pages themselves.
    pub packed: bool,
}

/// Where a page went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is all zeros, and not stored.
    Zero,
    /// It is the page of this number.
    At(u32),
}

/// A page that isn't stored yet: which of those that are looked at, and its sum.
type Fresh = (usize, u64);

/// A sum is its own hash.
#[derive(Default)]
struct Own(u64);

impl Hasher for Own {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only sums are keys");
    }
    fn write_u64(&mut self, sum: u64) {
        self.0 = sum;
    }
}

type Seen = HashMap<u64, u32, BuildHasherDefault<Own>>;

/// What is known once all pages are placed.
pub(crate) struct Stored {
    pub(crate) blocks: Vec<Block>,
    pub(crate) sums: Vec<u64>,
    pub(crate) end: u64,
}

/// Puts pages into an image; shared by the threads that copy.
pub struct PageWriter {
    file: File,
    compression: Compression,
    /// Numbers and offsets are given out together.
    next: Mutex<Next>,
    seen: [Mutex<Seen>; SHARDS],
}

#[derive(Default)]
struct Next {
    page: u32,
    offset: u64,
    blocks: Vec<Block>,
    sums: Vec<(u32, Vec<u64>)>,
}

impl std::fmt::Debug for PageWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageWriter").finish_non_exhaustive()
    }
}

impl PageWriter {
    pub(crate) fn new(file: File, compression: Compression) -> Self {
        Self {
            file,
            compression,
            next: Mutex::new(Next { offset: DATA, ..Next::default() }),
            seen: Default::default(),
        }
    }

    /// Prepares for about so many bytes of memory: the file gets room for them now, so that what follows only fills it.
    /// Where there isn't so much, or the file system can't, it gets none: much of the memory may be zeros, or twice
    /// there. Memory that is packed isn't worth it.
    pub fn expect(&self, bytes: u64) {
        if self.compression == Compression::None && files::reserve(&self.file, DATA, bytes).is_err()
        {
            let _ = self.file.set_len(0);
        }
    }

    /// Places pages, at most [`BLOCK_PAGES`] of them, of which `pages` is the content one after the
    /// other; its order is lost. Answers where each went.
    ///
    /// # Errors
    /// The file can't be written, or would hold more than 2^32 pages.
    pub fn place(&self, pages: &mut [u8]) -> io::Result<Vec<Placed>> {
        let count = pages.len() / PAGE;
        assert!(count <= BLOCK_PAGES && count * PAGE == pages.len(), "whole pages, one block");
        let (mut placed, fresh) = self.look(pages)?;
        if fresh.is_empty() {
            return Ok(placed);
        }
        let first = self.store(&pages[..fresh.len() * PAGE], &fresh)?;
        for (number, (nth, sum)) in (first..).zip(fresh) {
            placed[nth] = Placed::At(number);
            // The first of two equal pages that are placed at the same time is remembered; both stay.
            self.shard(sum).lock().expect("no panic").entry(sum).or_insert(number);
        }
        Ok(placed)
    }

    /// Looks for zeros and for what is stored already; pages that are neither are moved to the front: where
    /// they were, and their sums.
    fn look(&self, pages: &mut [u8]) -> io::Result<(Vec<Placed>, Vec<Fresh>)> {
        let count = pages.len() / PAGE;
        let mut placed = Vec::with_capacity(count);
        let mut fresh: Vec<Fresh> = Vec::with_capacity(count);
        for (nth, page) in pages.chunks_exact(PAGE).enumerate() {
            if is_zero(page) {
                placed.push(Placed::Zero);
                continue;
            }
            let sum = sum(page);
            let known = self.shard(sum).lock().expect("no panic").get(&sum).copied();
            match known {
                Some(number) if self.holds(number, page)? => placed.push(Placed::At(number)),
                _ => {
                    fresh.push((nth, sum));
                    placed.push(Placed::At(0));
                }
            }
        }
        for (to, (from, _)) in fresh.iter().enumerate() {
            if *from != to {
                pages.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
            }
        }
        Ok((placed, fresh))
    }

    fn shard(&self, sum: u64) -> &Mutex<Seen> {
        &self.seen[usize::try_from(sum >> 60).expect("four bits")]
    }

    fn store(&self, pages: &[u8], fresh: &[Fresh]) -> io::Result<u32> {
        let count = u32::try_from(fresh.len()).expect("a block");
        let packed = match self.compression {
            Compression::None => None,
            Compression::Zstd(level) => {
                let packed = zstd::bulk::compress(pages, level)?;
                (packed.len() < pages.len()).then_some(packed)
            }
        };
        let bytes = packed.as_deref().unwrap_or(pages);
        let len = bytes.len() as u64;
        let sums = fresh.iter().map(|(_, sum)| *sum).collect();
        let (first, offset) = {
            let mut next = self.next.lock().expect("no panic");
            let (first, offset) = (next.page, next.offset);
            next.page = first.checked_add(count).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "an image holds at most 16 TiB of pages",
                )
            })?;
            next.offset += len;
            let packed = packed.is_some();
            match next.blocks.last_mut() {
                // Pages as they are: one block, however many.
                Some(last) if !last.packed && !packed => {
                    last.pages += count;
                    last.len += len;
                }
                _ => next.blocks.push(Block { first, pages: count, offset, len, packed }),
            }
            next.sums.push((first, sums));
            (first, offset)
        };
        self.file.write_all_at(bytes, offset)?;
        Ok(first)
    }

    /// Whether the stored page of that number is this one: sums of 64 bits don't say enough. A page that another
    /// thread is still writing counts as different.
    fn holds(&self, number: u32, page: &[u8]) -> io::Result<bool> {
        if self.compression != Compression::None {
            return self.packed_holds(number, page);
        }
        // Numbers are places, without packing.
        let mut stored = [0; PAGE];
        let at = DATA + u64::from(number) * PAGE as u64;
        match self.file.read_exact_at(&mut stored, at) {
            Ok(()) => Ok(stored == page),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn packed_holds(&self, number: u32, page: &[u8]) -> io::Result<bool> {
        let block = {
            let next = self.next.lock().expect("no panic");
            let nth = next.blocks.partition_point(|block| block.first <= number) - 1;
            next.blocks[nth]
        };
        let within = usize::try_from(number - block.first).expect("a block") * PAGE;
        let mut stored = [0; PAGE];
        if block.packed {
            let mut bytes = vec![0; usize::try_from(block.len).expect("a block")];
            if self.file.read_exact_at(&mut bytes, block.offset).is_err() {
                return Ok(false);
            }
            let room = block.pages as usize * PAGE;
            let Ok(pages) = zstd::bulk::decompress(&bytes, room) else { return Ok(false) };
            return Ok(pages.get(within..within + PAGE) == Some(page));
        }
        let read = self.file.read_exact_at(&mut stored, block.offset + within as u64);
        Ok(read.is_ok() && stored == page)
    }

    /// # Errors
    /// What was prepared and not used can't be given back.
    pub(crate) fn finish(self) -> io::Result<Stored> {
        let mut next = self.next.into_inner().expect("no panic");
        next.sums.sort_unstable_by_key(|(first, _)| *first);
        let sums = next.sums.into_iter().flat_map(|(_, sums)| sums).collect();
        self.file.set_len(next.offset)?;
        Ok(Stored { blocks: next.blocks, sums, end: next.offset })
    }
}

/// Whether a page is all zeros.
fn is_zero(page: &[u8]) -> bool {
    // Most pages that aren't show it in their first bytes.
    let (words, rest) = page.as_chunks::<8>();
    debug_assert!(rest.is_empty());
    words[0] == [0; 8] && words.iter().all(|word| *word == [0; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(compression: Compression) -> PageWriter {
        PageWriter::new(tempfile::tempfile().expect("a temporary file"), compression)
    }

    fn page(byte: u8) -> Vec<u8> {
        let mut page = vec![byte; PAGE];
        page[7] = byte.wrapping_mul(3);
        page
    }

    #[test]
    fn equal_pages_are_stored_once_and_zeros_not_at_all() {
        for compression in [Compression::None, Compression::Zstd(1)] {
            let store = writer(compression);
            let mut pages = [page(1), vec![0; PAGE], page(2)].concat();
            let first = store.place(&mut pages).expect("placed");
            assert_eq!(first, [Placed::At(0), Placed::Zero, Placed::At(1)]);
            let mut pages = [page(2), page(3), page(1)].concat();
            let second = store.place(&mut pages).expect("placed");
            assert_eq!(second, [Placed::At(1), Placed::At(2), Placed::At(0)]);
            let stored = store.finish().expect("finished");
            assert_eq!(stored.sums, [sum(&page(1)), sum(&page(2)), sum(&page(3))]);
        }
    }

    #[test]
    fn a_page_with_the_sum_of_another_is_stored_too() {
        let store = writer(Compression::None);
        store.place(&mut page(1)).expect("placed");
        let other = sum(&page(2));
        store.shard(other).lock().expect("no panic").insert(other, 0);
        assert_eq!(store.place(&mut page(2)).expect("placed"), [Placed::At(1)]);
    }

    #[test]
    fn a_page_with_one_late_bit_is_not_zero() {
        let mut page = vec![0; PAGE];
        assert!(is_zero(&page));
        page[PAGE - 1] = 1;
        assert!(!is_zero(&page));
    }
}
