//! For fuzz targets only: files whose sums are right, whatever is in them. Sums find damage, not malice: what lies behind
//! them has to stand on its own.

use crate::format::{
    BLOCKS, DATA, HEADER, Header, MACHINE, MAX_TABLE, SNAPSHOT, SUMS, Section, VERSION, sum,
};

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The sections, in the order of [`SECTIONS`].
    pub sections: [Vec<u8>; 4],
    /// What is between header and sections.
    pub data: Vec<u8>,
}

/// Names of the sections.
pub const SECTIONS: [&str; 4] = [BLOCKS, SUMS, SNAPSHOT, MACHINE];

/// Takes a file apart. `None` where it has not each section once, inside of it.
pub fn parts(file: &[u8]) -> Option<Parts> {
    let table = table(file)?;
    let mut parts = Parts::default();
    let mut end = file.len();
    for (name, part) in SECTIONS.iter().zip(&mut parts.sections) {
        let section = table.iter().find(|section| section.name == *name)?;
        *part = inside(file, section.offset, section.len)?.to_vec();
        end = end.min(usize::try_from(section.offset).ok()?);
    }
    parts.data = file.get(usize::try_from(DATA).ok()?..end)?.to_vec();
    Some(parts)
}

/// A file of these parts.
pub fn joined(parts: &Parts) -> Vec<u8> {
    let mut file = vec![0; usize::try_from(DATA).expect("a page")];
    file.extend(&parts.data);
    let mut table = Vec::new();
    for (name, part) in SECTIONS.iter().zip(&parts.sections) {
        let (offset, len) = (file.len() as u64, part.len() as u64);
        table.push(Section { name: (*name).to_owned(), offset, len, sum: sum(part) });
        file.extend(part);
    }
    ended(file, &table)
}

/// The same file with right sums, of this version: its table is written anew. `None` where it has no table inside of it.
pub fn resummed(file: &[u8]) -> Option<Vec<u8>> {
    let mut table = table(file)?;
    for section in &mut table {
        section.sum = inside(file, section.offset, section.len).map_or(section.sum, sum);
    }
    Some(ended(file.to_vec(), &table))
}

fn table(file: &[u8]) -> Option<Vec<Section>> {
    let (header, _) = Header::decode(file.first_chunk::<HEADER>()?)?;
    if header.table_len > MAX_TABLE {
        return None;
    }
    postcard::from_bytes(inside(file, header.table_offset, header.table_len)?).ok()
}

fn inside(file: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    file.get(usize::try_from(offset).ok()?..)?.get(..usize::try_from(len).ok()?)
}

/// With its table, and a header that leads to it.
fn ended(mut file: Vec<u8>, table: &[Section]) -> Vec<u8> {
    let table = postcard::to_stdvec(table).expect("plain data in memory");
    let header = Header {
        version: VERSION,
        table_offset: file.len() as u64,
        table_len: table.len() as u64,
        table_sum: sum(&table),
    };
    file[..HEADER].copy_from_slice(&header.encode());
    file.extend(table);
    file
}
