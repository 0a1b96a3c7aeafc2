use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::format::{
    BLOCKS, DATA, HEADER, Header, MACHINE, MAX_TABLE, SNAPSHOT, SUMS, Section, VERSION, sum,
};
use crate::pages::{BLOCK_PAGES, Block};
use crate::{ImageError, Machine, PAGE, Snapshot};

/// The description of a tree of a thousand processes with ten thousand descriptors each is smaller.
const MAX_DESCRIPTION: u64 = 1 << 30;

/// An image, its description read and judged.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: File,
    len: u64,
    snapshot: Snapshot,
    machine: Machine,
    blocks: Vec<Block>,
    sums: Vec<u64>,
}

impl Reader {
    /// Opens an image and judges all of it but the pages.
    ///
    /// # Errors
    /// It isn't an image, is of another version, is damaged (which section), or contradicts itself.
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let failed = |source| ImageError::Io { doing: "reading", path: path.to_owned(), source };
        // A named pipe would be waited for.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(ImageError::Foreign(path.to_owned()));
        }
        let file = File::open(path).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(ImageError::Foreign(path.to_owned()));
        }
        let len = meta.len();
        let mut header = [0; HEADER];
        match file.read_exact_at(&mut header, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ImageError::Foreign(path.to_owned()));
            }
            Err(error) => return Err(failed(error)),
        }
        let (header, whole) =
            Header::decode(&header).ok_or_else(|| ImageError::Foreign(path.to_owned()))?;
        if !whole {
            return Err(damaged("header", "its sum isn't right".to_owned()));
        }
        if header.version != VERSION {
            return Err(ImageError::Version { found: header.version });
        }
        let bytes = Bytes { file: &file, len, path };
        if header.table_len > MAX_TABLE {
            return Err(damaged(
                "table",
                format!("{} bytes, at most {MAX_TABLE}", header.table_len),
            ));
        }
        let table =
            bytes.section("table", header.table_offset, header.table_len, header.table_sum)?;
        let table: Vec<Section> = decode("table", &table)?;
        let known = [BLOCKS, SUMS, SNAPSHOT, MACHINE];
        if let Some(odd) = table.iter().find(|section| !known.contains(&section.name.as_str())) {
            return Err(ImageError::Unknown(odd.name.clone()));
        }
        let read = |name: &str| {
            let mut named = table.iter().filter(|section| section.name == name);
            match (named.next(), named.next()) {
                (Some(one), None) => bytes.section(name, one.offset, one.len, one.sum),
                (None, _) => Err(damaged(name, "it is missing".to_owned())),
                _ => Err(damaged(name, "it is there twice".to_owned())),
            }
        };
        let blocks: Vec<Block> = decode(BLOCKS, &read(BLOCKS)?)?;
        let sums = read(SUMS)?;
        if sums.len() % 8 != 0 {
            return Err(damaged(SUMS, format!("{} bytes are no whole number of sums", sums.len())));
        }
        let sums: Vec<u64> =
            sums.as_chunks().0.iter().map(|sum| u64::from_le_bytes(*sum)).collect();
        judge_blocks(&blocks, sums.len(), len)?;
        let snapshot: Snapshot = decode(SNAPSHOT, &read(SNAPSHOT)?)?;
        snapshot.validate(sums.len())?;
        let machine: Machine = decode(MACHINE, &read(MACHINE)?)?;
        machine.validate()?;
        Ok(Self { path: path.to_owned(), file, len, snapshot, machine, blocks, sums })
    }

    /// What it says.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Where it was taken.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Bytes of the file.
    pub fn image_bytes(&self) -> u64 {
        self.len
    }

    /// Pages that it stores.
    pub fn stored_pages(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.pages)).sum()
    }

    /// The blocks of pages.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Whether a page's content is what was written.
    ///
    /// # Errors
    /// [`ImageError::Damaged`] names the page.
    pub fn judge(&self, number: u32, page: &[u8]) -> Result<(), ImageError> {
        match self.sums.get(number as usize) {
            Some(expected) if *expected == sum(page) => Ok(()),
            _ => Err(damaged("data", format!("page {number} isn't what was written"))),
        }
    }

    /// Reads pages that follow each other, and judges them. At most [`BLOCK_PAGES`] at once.
    ///
    /// # Errors
    /// [`ImageError::Damaged`] names the page.
    pub fn read(&self, first: u32, pages: u32, into: &mut Vec<u8>) -> Result<(), ImageError> {
        assert!(pages as usize <= BLOCK_PAGES, "at most a block at once");
        let end = first
            .checked_add(pages)
            .ok_or_else(|| damaged("data", format!("no {pages} pages from {first} on")))?;
        // As long as it was: nothing is zeroed that is read over.
        into.resize(pages as usize * PAGE, 0);
        let mut filled = 0;
        let mut at = first;
        while at < end {
            let block = self.block(at).ok_or_else(|| damaged("data", format!("no page {at}")))?;
            let skip = (at - block.first) as usize * PAGE;
            let take = (block.first + block.pages).min(end) - at;
            let bytes = take as usize * PAGE;
            if block.packed {
                let mut packed = vec![0; usize::try_from(block.len).expect("judged when opened")];
                self.read_at(&mut packed, block.offset)?;
                let room = block.pages as usize * PAGE;
                let plain = zstd::bulk::decompress(&packed, room)
                    .map_err(|error| damaged("data", format!("pages from {at} on: {error}")))?;
                let part = plain.get(skip..skip + bytes).ok_or_else(|| {
                    damaged("data", format!("pages from {at} on: fewer than were promised"))
                })?;
                into[filled..filled + bytes].copy_from_slice(part);
            } else {
                self.read_at(&mut into[filled..filled + bytes], block.offset + skip as u64)?;
            }
            at += take;
            filled += bytes;
        }
        for (number, page) in (first..).zip(into.chunks_exact(PAGE)) {
            self.judge(number, page)?;
        }
        Ok(())
    }

    /// Reads and judges all pages.
    ///
    /// # Errors
    /// [`ImageError::Damaged`] names the first bad page.
    pub fn verify(&self) -> Result<(), ImageError> {
        let mut buffer = Vec::new();
        for block in &self.blocks {
            let mut done = 0;
            while done < block.pages {
                let take = (block.pages - done).min(u32::try_from(BLOCK_PAGES).expect("256"));
                self.read(block.first + done, take, &mut buffer)?;
                done += take;
            }
        }
        Ok(())
    }

    fn block(&self, page: u32) -> Option<&Block> {
        let nth = self.blocks.partition_point(|block| block.first <= page).checked_sub(1)?;
        self.blocks.get(nth).filter(|block| page - block.first < block.pages)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> Result<(), ImageError> {
        self.file.read_exact_at(into, offset).map_err(|source| ImageError::Io {
            doing: "reading",
            path: self.path.clone(),
            source,
        })
    }
}

/// Blocks follow each other in page numbers, are inside the file, and hold what they say.
fn judge_blocks(blocks: &[Block], pages: usize, len: u64) -> Result<(), ImageError> {
    let mut next = 0_u32;
    for (nth, block) in blocks.iter().enumerate() {
        let wrong = |what: &str| Err(damaged(BLOCKS, format!("block {nth}: {what}")));
        if block.first != next || block.pages == 0 {
            return wrong("its pages don't follow those before");
        }
        let Some(after) = block.first.checked_add(block.pages) else {
            return wrong("too many pages");
        };
        next = after;
        let plain = u64::from(block.pages) * PAGE as u64;
        let fits = if block.packed {
            block.pages as usize <= BLOCK_PAGES && block.len < plain
        } else {
            block.len == plain
        };
        if !fits {
            return wrong("its length isn't that of its pages");
        }
        if block.offset < DATA || block.offset.checked_add(block.len).is_none_or(|end| end > len) {
            return wrong("it is outside the file");
        }
    }
    if next as usize != pages {
        return Err(damaged(BLOCKS, format!("{next} pages, but {pages} sums")));
    }
    Ok(())
}

struct Bytes<'a> {
    file: &'a File,
    len: u64,
    path: &'a Path,
}

impl Bytes<'_> {
    fn section(
        &self,
        name: &str,
        offset: u64,
        len: u64,
        expected: u64,
    ) -> Result<Vec<u8>, ImageError> {
        if len > MAX_DESCRIPTION {
            return Err(damaged(name, format!("{len} bytes, at most {MAX_DESCRIPTION}")));
        }
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            let what =
                format!("{len} bytes at {offset}, but the file has {}: it was cut", self.len);
            return Err(damaged(name, what));
        }
        let mut bytes = vec![0; usize::try_from(len).expect("bounded")];
        self.file.read_exact_at(&mut bytes, offset).map_err(|source| ImageError::Io {
            doing: "reading",
            path: self.path.to_owned(),
            source,
        })?;
        let found = sum(&bytes);
        if found != expected {
            return Err(damaged(
                name,
                format!("its sum is {found:016x}, expected {expected:016x}"),
            ));
        }
        Ok(bytes)
    }
}

fn decode<T: DeserializeOwned>(section: &str, bytes: &[u8]) -> Result<T, ImageError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(damaged(section, format!("{} bytes after its end", rest.len()))),
        Err(error) => Err(damaged(section, format!("it can't be decoded: {error}"))),
    }
}

fn damaged(section: &str, what: String) -> ImageError {
    ImageError::Damaged { section: section.to_owned(), what }
}
