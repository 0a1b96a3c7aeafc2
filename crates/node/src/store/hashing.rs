//! Files read once from their start to their end, hashed on the way.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use outlast_stage::chunks::{ChunkList, Chunker, WHOLE_BYTES};
use outlast_types::Hash;

use super::StoreError;

/// What is read and hashed at a time: large enough to hide the system calls.
const CHUNK_BYTES: usize = 1 << 20;

/// Reads a file from its start to its end, shows the pieces, and says hash and length. `expected`: how long it should be;
/// a small file needs no large buffer.
pub(super) fn read_whole(
    file: &File,
    expected: u64,
    mut see: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(Hash, u64), StoreError> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer =
        vec![
            0;
            CHUNK_BYTES.min(usize::try_from(expected).unwrap_or(CHUNK_BYTES).saturating_add(1))
        ];
    let mut length = 0;
    loop {
        match file.read_at(&mut buffer, length) {
            Ok(0) => return Ok((hasher.finalize().into(), length)),
            Ok(n) => {
                hasher.update(&buffer[..n]);
                see(&buffer[..n])?;
                length += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::io(Path::new("a file to be stored"))(error)),
        }
    }
}

/// As [`read_whole`]; of a `large` file also the chunks, as everybody who fetches it will ask for them.
pub(super) fn read_chunked(
    file: &File,
    large: bool,
    mut see: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(Hash, u64, Option<ChunkList>), StoreError> {
    if !large {
        let (hash, length) = read_whole(file, WHOLE_BYTES, see)?;
        return Ok((hash, length, None));
    }
    let mut chunker = Chunker::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut length = 0;
    loop {
        match file.read_at(&mut buffer, length) {
            Ok(0) => break,
            Ok(n) => {
                chunker.push(&buffer[..n]);
                see(&buffer[..n])?;
                length += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::io(Path::new("a file to be stored"))(error)),
        }
    }
    let chunked = chunker.finish();
    Ok((chunked.hash, chunked.length, Some(chunked.list)))
}
